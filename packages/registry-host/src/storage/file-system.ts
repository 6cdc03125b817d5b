import * as promises from 'node:fs/promises';

/** What the blob store needs of the file system to change it. A test puts faults into one of its own. */
export type FileSystem = Pick<
  typeof promises,
  'copyFile' | 'lstat' | 'mkdir' | 'open' | 'readdir' | 'readFile' | 'rename' | 'rmdir' | 'unlink'
>;

/** The file system of this machine. */
export const nodeFileSystem: FileSystem = promises;

/** Makes what was done to a directory's entries, or a file's bytes, survive a loss of power. */
export async function flush(files: FileSystem, path: string): Promise<void> {
  const handle = await files.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
