import type { Stats } from 'node:fs';
import * as callbacks from 'node:fs';
import * as promises from 'node:fs/promises';
import { promisify } from 'node:util';

/** An open file of the store. */
export interface FileSystemHandle {
  writeFile(text: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What the blob store needs of the file system to change it. A test puts faults into one of its own. */
export interface FileSystem {
  copyFile(from: string, to: string): Promise<void>;
  lstat(path: string): Promise<Pick<Stats, 'size' | 'ctimeMs' | 'isFile' | 'isDirectory'>>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  open(path: string, flags: string, mode?: number): Promise<FileSystemHandle>;
  readdir(path: string): Promise<string[]>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** The file system of this machine. */
export const nodeFileSystem: FileSystem = promises;

/** What reading a stored file needs, by descriptor: what measured fastest. A test puts faults into one of its own. */
export interface FileReads {
  open(path: string, flags: number): Promise<number>;
  stat(descriptor: number): Promise<{ readonly isFile: boolean; readonly size: number }>;
  /** Fills the buffer from a position in the file; resolves to the number of bytes, 0 at the end. */
  read(descriptor: number, buffer: Uint8Array, position: number): Promise<number>;
  close(descriptor: number): Promise<void>;
}

const openDescriptor = promisify(callbacks.open);
const statDescriptor = promisify(callbacks.fstat);

/** Reads of this machine's file system. */
export const nodeFileReads: FileReads = {
  open: (path, flags) => openDescriptor(path, flags),
  async stat(descriptor) {
    const stat = await statDescriptor(descriptor);
    return { isFile: stat.isFile(), size: stat.size };
  },
  read: (descriptor, buffer, position) =>
    new Promise((resolve, reject) => {
      callbacks.read(descriptor, buffer, 0, buffer.byteLength, position, (error, bytes) => {
        if (error === null) resolve(bytes);
        else reject(error);
      });
    }),
  close: promisify(callbacks.close),
};

/** Makes what was done to a directory's entries, or a file's bytes, survive a loss of power. */
export async function flush(files: FileSystem, path: string): Promise<void> {
  const handle = await files.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
