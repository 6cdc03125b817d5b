import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the built page, as it is sent. */
export interface PageFile {
  readonly bytes: Buffer;
  /** Compressed, where that makes it smaller. */
  readonly gzipped: Buffer | undefined;
  readonly contentType: string;
  /** SHA-256 of the bytes, in base64url. */
  readonly hash: string;
  /** Whether its name changes with its bytes, so that it can be kept for ever. */
  readonly immutable: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
};
const COMPRESSIBLE = new Set(['css', 'html', 'js', 'svg']);

/**
 * Reads a built page into memory, by path below its directory: `index.html`, `assets/….js`. Files of types that a page does
 * not have are left out.
 *
 * @throws node's own error when the directory cannot be read
 */
export async function readPageFiles(directory: string): Promise<ReadonlyMap<string, PageFile>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && typeOf(entry.name) !== undefined);
  const read = files.map(async (entry): Promise<[string, PageFile]> => {
    const path = join(entry.parentPath, entry.name);
    const name = relative(directory, path).split(sep).join('/');
    return [name, await pageFile(name, await readFile(path))];
  });
  return new Map(await Promise.all(read));
}

async function pageFile(name: string, bytes: Buffer): Promise<PageFile> {
  const compressed = COMPRESSIBLE.has(extensionOf(name)) ? await promisify(gzip)(bytes, { level: 9 }) : undefined;
  return {
    bytes,
    gzipped: compressed !== undefined && compressed.length < bytes.length ? compressed : undefined,
    contentType: typeOf(name) ?? 'application/octet-stream',
    hash: createHash('sha256').update(bytes).digest('base64url'),
    immutable: /^assets\/.*-[\w-]{8}\.\w+$/.test(name),
  };
}

function typeOf(name: string): string | undefined {
  return TYPES[extensionOf(name)];
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
