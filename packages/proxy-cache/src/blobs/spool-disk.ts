import * as calls from 'node:fs';
import * as promises from 'node:fs/promises';
import { promisify } from 'node:util';

/** What the spool needs of the file system. A test puts faults into one of its own. */
export interface SpoolDisk {
  chmod(path: string, mode: number): Promise<void>;
  copyFile(from: string, to: string, mode: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  mkdir(path: string, options: { readonly recursive: true; readonly mode: number }): Promise<unknown>;
  readdir(path: string): Promise<string[]>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly force: true }): Promise<void>;
  /** Free blocks of the file system for any user, and their size in bytes. */
  statfs(path: string): Promise<{ readonly bavail: number; readonly bsize: number }>;
  stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }>;
  writeFile(path: string, text: string, options: { readonly mode: number }): Promise<void>;
  /** @param flags as fs.open has them */
  open(path: string, flags: string | number, mode?: number): Promise<number>;
  close(descriptor: number): Promise<void>;
  fstat(descriptor: number): Promise<{ readonly size: number; readonly mode: number }>;
  fsync(descriptor: number): Promise<void>;
  fchmod(descriptor: number, mode: number): Promise<void>;
  /** Reads at most so many bytes into the buffer; resolves to how many they were. */
  read(descriptor: number, buffer: Uint8Array, bytes: number, position: number): Promise<number>;
  /** Writes the pieces one after the other; resolves to how many bytes of them were written. */
  writev(descriptor: number, pieces: readonly Buffer[], position: number): Promise<number>;
}

const openFile = promisify(calls.open);
const statFile = promisify(calls.fstat);

/** The file system of this machine. By descriptors and callbacks where bytes are moved: what measured fastest. */
export const nodeSpoolDisk: SpoolDisk = {
  ...promises,
  open: (path, flags, mode) => openFile(path, flags, mode),
  close: promisify(calls.close),
  fstat: (descriptor) => statFile(descriptor),
  fsync: promisify(calls.fsync),
  fchmod: promisify(calls.fchmod),
  read: (descriptor, buffer, bytes, position) =>
    new Promise((resolve, reject) => {
      calls.read(descriptor, buffer, 0, bytes, position, (error, done) => (error ? reject(error) : resolve(done)));
    }),
  writev: (descriptor, pieces, position) =>
    new Promise((resolve, reject) => {
      calls.writev(descriptor, pieces, position, (error, done) => (error ? reject(error) : resolve(done)));
    }),
};
