import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { EmbeddedPostgresError } from './failure.js';

/** Whom the server runs as; `undefined` for whoever runs this process. */
export type ServerUser = { readonly uid: number; readonly gid: number } | undefined;

/**
 * Chooses the user for a server on a data directory. Postgres refuses to run as root, so root hands it to the owner of
 * data that is there already, else to `postgres`, else to `nobody`.
 *
 * @throws EmbeddedPostgresError EMBEDDED_POSTGRES_USER when no user will do
 */
export async function chooseServerUser(dataDirectory: string): Promise<ServerUser> {
  const self = process.getuid?.();
  const owner = await stat(dataDirectory).catch(() => undefined);
  if (self !== 0) {
    if (owner !== undefined && self !== undefined && owner.uid !== self) {
      throw noUser(`${dataDirectory} belongs to user id ${owner.uid}: run as that user, or choose another directory`);
    }
    return undefined;
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const users = await passwdUsers();
  const user = users.get('postgres') ?? users.get('nobody');
  if (user !== undefined) return user;
  throw noUser('Postgres does not run as root, and there is no user "postgres" or "nobody" to run it as: add one');
}

/**
 * Makes sure that new data can be made: Postgres looks its user up by id when it does so, and only then.
 *
 * @throws EmbeddedPostgresError EMBEDDED_POSTGRES_USER when the user id has no name
 */
export function requireNamedUser(user: ServerUser): void {
  if (user !== undefined) return;
  try {
    userInfo();
  } catch {
    throw noUser(`user id ${process.getuid?.()} has no entry in /etc/passwd, which Postgres needs: add one`);
  }
}

async function passwdUsers(): Promise<Map<string, { uid: number; gid: number }>> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const users = new Map<string, { uid: number; gid: number }>();
  for (const line of text.split('\n')) {
    const [name = '', , uid, gid] = line.split(':');
    // macOS writes the ids of `nobody` as -2; the system call wants them unsigned.
    if (Number(uid) !== 0 && Number.isInteger(Number(gid))) {
      users.set(name, { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 });
    }
  }
  return users;
}

function noUser(reason: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError('EMBEDDED_POSTGRES_USER', reason);
}
