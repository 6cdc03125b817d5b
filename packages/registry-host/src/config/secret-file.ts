import { randomUUID } from 'node:crypto';
import { link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A generated secret cannot be used as it lies there. */
export class SecretFileError extends Error {
  readonly code = 'SECRET_FILE_INVALID';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SecretFileError';
  }
}

/**
 * The secret in a file; on first use it is made by `generate` and written with mode 0600. An existing file is never
 * overwritten, and of several processes that come at once all get the same secret.
 *
 * @throws SecretFileError (code SECRET_FILE_INVALID) when the file is empty, not a file, or open to others
 */
export async function loadOrCreateSecret(
  file: string,
  generate: () => string,
): Promise<{ readonly secret: string; readonly created: boolean }> {
  const existing = await read(file);
  if (existing !== undefined) return { secret: existing, created: false };
  await mkdir(dirname(file), { recursive: true });
  const secret = generate();
  const created = await create(file, secret);
  if (created) return { secret, created };
  const theirs = await read(file);
  if (theirs === undefined) throw new SecretFileError(`${file} appeared and disappeared again`);
  return { secret: theirs, created: false };
}

/** Written whole beside it, then linked, which fails when the name is taken: nobody ever reads half a secret. */
async function create(file: string, secret: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(`${secret}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(draft);
  }
  await flushDirectory(dirname(file));
  return true;
}

async function read(file: string): Promise<string | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new SecretFileError(`${file} cannot be read (${codeOf(error)})`, { cause: error });
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new SecretFileError(`${file} is not a file`);
    if ((stat.mode & 0o077) !== 0) {
      throw new SecretFileError(`${file} may be read or written by others; make it private: chmod 600 ${file}`);
    }
    const secret = (await handle.readFile('utf8')).trim();
    if (secret === '') throw new SecretFileError(`${file} is empty; remove it to have a new secret generated`);
    return secret;
  } finally {
    await handle.close();
  }
}

async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : 'unknown error';
}
