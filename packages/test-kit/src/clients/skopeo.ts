import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BuiltContent } from '../images/image-builder.js';
import { type ProgramOptions, type ProgramResult, runProgram } from './child-process.js';

interface SkopeoAccess extends ProgramOptions {
  /** Whether certificates are checked and plain HTTP is refused; `false` unless told. */
  readonly tlsVerify?: boolean;
  /** `user:password` */
  readonly creds?: string;
  /** A file with credentials, as `skopeo login` writes it. */
  readonly authFile?: string;
}

export interface SkopeoCopyOptions extends SkopeoAccess {
  /** `docker://127.0.0.1:5000/org/repo:tag` */
  readonly from: string;
  /** All images of an index, not only the one for linux/amd64. */
  readonly all?: boolean;
}

/** A file as skopeo wrote it. */
export interface CopiedFile {
  readonly size: number;
  /** 64 hexadecimal digits, by our own hashing. */
  readonly sha256: string;
}

/** A pull by skopeo. Disposal takes the directory away. */
export interface SkopeoCopy extends ProgramResult, AsyncDisposable {
  /** Where the image lies, in the layout of skopeo's `dir:` transport. */
  readonly directory: string;
  /** The bytes of the manifest; `undefined` when the pull failed before it. */
  readonly manifest: Buffer | undefined;
  /** Every file, by name: blobs are named by the hexadecimal part of their digest. */
  readonly files: ReadonlyMap<string, CopiedFile>;
  /** How what was pulled differs from the image, one sentence each; empty when it is the same, byte for byte. */
  differencesFrom(image: BuiltContent): readonly string[];
}

export interface SkopeoPushOptions extends SkopeoAccess {
  readonly image: BuiltContent;
  /** `docker://127.0.0.1:5001/org/repo:tag` */
  readonly to: string;
}

const LAYOUT_VERSION = 'Directory Transport Version: 1.1\n';

/** Pulls with skopeo into an empty directory of its own. A pull that fails is an `exitCode`, not an exception. */
export async function skopeoCopy(options: SkopeoCopyOptions): Promise<SkopeoCopy> {
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-skopeo-'));
  try {
    const args = [...accessArguments('src', options), ...(options.all === true ? ['--all'] : [])];
    const result = await skopeo(['copy', ...args, options.from, `dir:${directory}`], options);
    const files = await readFiles(directory);
    const manifest = files.has('manifest.json') ? await readFile(join(directory, 'manifest.json')) : undefined;
    return {
      ...result,
      directory,
      manifest,
      files,
      differencesFrom: (image) => differences(image, manifest, files),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Pushes a built image with skopeo, digests unchanged. A push that fails is an `exitCode`, not an exception. */
export async function skopeoPush(options: SkopeoPushOptions): Promise<ProgramResult> {
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-image-'));
  try {
    await writeDirectoryLayout(options.image, directory);
    const args = ['--all', '--preserve-digests', ...accessArguments('dest', options)];
    return await skopeo(['copy', ...args, `dir:${directory}`, options.to], options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Writes an image as skopeo's `dir:` transport has it. */
export async function writeDirectoryLayout(image: BuiltContent, directory: string): Promise<void> {
  const [root, ...children] = image.manifests;
  await writeFile(join(directory, 'version'), LAYOUT_VERSION);
  await writeFile(join(directory, 'manifest.json'), root?.bytes ?? image.manifest.bytes);
  for (const child of children) await writeFile(join(directory, `${hexOf(child.digest)}.manifest.json`), child.bytes);
  for (const [digest, blob] of image.blobs) await writeFile(join(directory, hexOf(digest)), blob);
}

function skopeo(args: readonly string[], options: ProgramOptions): Promise<ProgramResult> {
  // Signatures are not what is tested, and the platform of this machine must not choose the image.
  const common = ['--insecure-policy', '--override-os', 'linux', '--override-arch', 'amd64'];
  return runProgram('skopeo', [...common, ...args], options);
}

function accessArguments(side: 'src' | 'dest', access: SkopeoAccess): string[] {
  return [
    `--${side}-tls-verify=${access.tlsVerify ?? false}`,
    ...(access.creds === undefined ? [] : [`--${side}-creds=${access.creds}`]),
    ...(access.authFile === undefined ? [] : [`--${side}-authfile=${access.authFile}`]),
  ];
}

async function readFiles(directory: string): Promise<Map<string, CopiedFile>> {
  const files = new Map<string, CopiedFile>();
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    files.set(name, { size: (await stat(path)).size, sha256: hash.digest('hex') });
  }
  return files;
}

function differences(
  image: BuiltContent,
  manifest: Buffer | undefined,
  files: ReadonlyMap<string, CopiedFile>,
): string[] {
  if (manifest === undefined) return ['there is no manifest'];
  const found: string[] = [];
  if (!manifest.equals(image.manifest.bytes)) found.push('the manifest is another one');
  for (const digest of image.blobs.keys()) {
    const file = files.get(hexOf(digest));
    if (file === undefined) found.push(`${digest} is missing`);
    else if (file.sha256 !== hexOf(digest)) found.push(`${digest} has other bytes`);
  }
  return found;
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}
