import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm } from '@breakwater/registry-core';
import { callStorage, errorCode } from '../storage/storage-error.js';

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const READ_BYTES = 1024 * 1024;

/** True for the id of an upload: a UUID, safe as the name of a file. */
export function isUploadId(text: string): boolean {
  return ID.test(text);
}

/** A file of an upload that is open for writing. */
export interface OpenUpload {
  /** Bytes that are in the file already, at most as many as count. */
  readonly bytes: number;
  write(chunk: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * The files of uploads, one each, named by its id, on the device of the blob store so that a finished one is renamed into
 * it. Every method throws RegistryError UNAVAILABLE (detail.reason "storage") when the file system refuses.
 */
export class UploadFiles {
  constructor(readonly directory: string) {}

  path(id: string): string {
    return join(this.directory, id);
  }

  /** Opens the file with the bytes that count and none of what a killed process wrote beyond them. */
  open(id: string, counted: number): Promise<OpenUpload> {
    return callStorage('opening an upload', async () => {
      await fs.mkdir(this.directory, { recursive: true });
      const handle = await fs.open(this.path(id), constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        const { size } = await handle.stat();
        const bytes = Math.min(size, counted);
        if (size > bytes) await handle.truncate(bytes);
        return {
          bytes,
          write: (chunk, position) => callStorage('writing an upload', () => writeAll(handle, chunk, position)),
          close: () => callStorage('closing an upload', () => handle.close()),
        };
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  /** Whether the file holds exactly these bytes; then they are on the disk for good, ready to be taken over. */
  verify(id: string, digest: Digest, bytes: number): Promise<boolean> {
    return callStorage('reading an upload', async () => {
      const handle = await fs.open(this.path(id), 'r+');
      try {
        if ((await handle.stat()).size !== bytes) return false;
        const hash = createHash(digestAlgorithm(digest));
        const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, bytes)));
        for (let position = 0; position < bytes; ) {
          const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position);
          if (bytesRead === 0) return false;
          hash.update(buffer.subarray(0, bytesRead));
          position += bytesRead;
        }
        if (`${digestAlgorithm(digest)}:${hash.digest('hex')}` !== digest) return false;
        await handle.sync();
        return true;
      } finally {
        await handle.close();
      }
    });
  }

  /** The size of the file in bytes; 0 when there is none. */
  size(id: string): Promise<number> {
    return callStorage('looking at an upload', async () => {
      try {
        return (await fs.lstat(this.path(id))).size;
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return 0;
        throw error;
      }
    });
  }

  /** Removes the file, if there is one, and resolves to its size in bytes. */
  remove(id: string): Promise<number> {
    return callStorage('removing an upload', async () => {
      try {
        const { size } = await fs.lstat(this.path(id));
        await fs.unlink(this.path(id));
        return size;
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return 0;
        throw error;
      }
    });
  }

  /** Ids of files that nobody has written to since before a time (ms). */
  olderThan(before: number): Promise<readonly string[]> {
    return callStorage('listing uploads', async () => {
      const old: string[] = [];
      for (const name of await listed(this.directory)) {
        if (isUploadId(name) && (await lastWritten(this.path(name))) < before) old.push(name);
      }
      return old;
    });
  }
}

async function writeAll(handle: fs.FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < chunk.byteLength; ) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.byteLength - written, position + written);
    written += bytesWritten;
  }
}

async function listed(directory: string): Promise<readonly string[]> {
  try {
    return await fs.readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function lastWritten(path: string): Promise<number> {
  try {
    return (await fs.lstat(path)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw error;
  }
}
