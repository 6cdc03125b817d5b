import { CallGate } from '@breakwater/registry-core';
import type { FileSystem, FileSystemHandle } from './file-system.js';
import { storeStalled } from './storage-error.js';

/** How many calls that change the store run at a time, beside one that flushes. */
const CHANGES_AT_ONCE = 2;
/** A flush has so many times longer than any other call: it waits for everything that was written before. */
const FLUSH_FACTOR = 8;

/**
 * A file system whose calls are given up when the disk does not answer, and which never holds more than three threads of the
 * pool (F125). Copying a file from another device is left alone: it takes as long as the file is large.
 */
export function gatedFileSystem(files: FileSystem, longestMs: number): FileSystem {
  const changes = new CallGate(CHANGES_AT_ONCE, longestMs, storeStalled);
  const flushes = new CallGate(1, longestMs * FLUSH_FACTOR, storeStalled);
  return {
    copyFile: (from, to) => files.copyFile(from, to),
    lstat: (path) => changes.run(() => files.lstat(path)),
    mkdir: (path, options) => changes.run(() => files.mkdir(path, options)),
    async open(path, flags, mode) {
      const handle = await changes.run(
        () => files.open(path, flags, mode),
        (late) => void late.close().catch(() => undefined),
      );
      return gatedHandle(handle, changes, flushes);
    },
    readdir: (path) => changes.run(() => files.readdir(path)),
    readFile: (path, encoding) => changes.run(() => files.readFile(path, encoding)),
    rename: (from, to) => changes.run(() => files.rename(from, to)),
    rmdir: (path) => changes.run(() => files.rmdir(path)),
    unlink: (path) => changes.run(() => files.unlink(path)),
  };
}

/** Node closes a handle once nothing is under way on it: who has given a call up does not wait for that. */
function gatedHandle(handle: FileSystemHandle, changes: CallGate, flushes: CallGate): FileSystemHandle {
  let hasStalled = false;
  const noting = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      hasStalled = true;
      throw error;
    });
  return {
    writeFile: (text) => noting(changes.run(() => handle.writeFile(text))),
    sync: () => noting(flushes.run(() => handle.sync())),
    close() {
      const closed = handle.close();
      if (!hasStalled) return closed;
      closed.catch(() => undefined);
      return Promise.resolve();
    },
  };
}
