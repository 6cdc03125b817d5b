import { mustHaveStatus } from '../answer.js';
import { checksOf, type ListedCheck, type Sides, type Verify } from '../check.js';
import { digestOf, type Image, imageOf, pushImage } from '../content.js';
import { on, type Sabotage, status } from '../sabotage.js';
import type { Session } from '../session.js';

const DISABLED = [400, 405];
const remove = on('DELETE', /\/(manifests|blobs)\/(?!uploads)/);
const accepted = (code: number) => code === 202;
const gone = (code: number) => code === 404;

/**
 * Asks for a deletion. True when it was done, false when deletion is disabled, which is 400 or 405. A cache has nothing of
 * its own to delete: it must not say that it did.
 */
async function deleted(read: Session, path: string): Promise<boolean> {
  const answer = await read.send('DELETE', path);
  mustHaveStatus(answer, ...(read.upstream === undefined ? [202] : []), ...DISABLED);
  return answer.status === 202;
}

/** A check of what becomes of an image. */
function ofImage(
  check: Omit<ListedCheck, 'prepare' | 'broken'>,
  broken: Sabotage,
  look: (read: Session, image: Image) => Promise<void>,
): ListedCheck {
  return {
    ...check,
    broken,
    async prepare({ write }: Sides): Promise<Verify> {
      const image = imageOf(write.name);
      await pushImage(write, 'v1', image);
      return (read) => look(read, image);
    },
  };
}

/** "Content Management". A registry that deletes nothing says so with 400 or 405, and passes. */
export const MANAGEMENT_CHECKS = checksOf('management', [
  ofImage(
    {
      id: 'tag',
      level: 'MUST',
      says: 'DELETE of a tag answers 202; where tags are not deleted, 400 or 405',
      red: 'DELETE: wanted status 202 or 400 or 405',
    },
    status(on('DELETE', /\/manifests\/v1/), 204, accepted),
    async (read) => void (await deleted(read, read.manifest('v1'))),
  ),
  ofImage(
    { id: 'tag-gone', level: 'MUST', says: 'a deleted tag is 404', red: 'GET: wanted status 404' },
    status(on('GET', /\/manifests\/v1/), 200, gone),
    async (read) => {
      if (await deleted(read, read.manifest('v1'))) mustHaveStatus(await read.get(read.manifest('v1')), 404);
    },
  ),
  ofImage(
    {
      id: 'manifest',
      level: 'MUST',
      says: 'DELETE of a manifest answers 202; where manifests are not deleted, 400 or 405',
      red: 'DELETE: wanted status 202 or 400 or 405',
    },
    status(on('DELETE', /\/manifests\/sha/), 200, accepted),
    async (read, { manifest }) => void (await deleted(read, read.manifest(manifest.digest))),
  ),
  ofImage(
    {
      id: 'manifest-gone',
      level: 'MUST',
      says: 'a deleted manifest is 404, by digest and by any tag',
      red: 'GET: wanted status 404',
    },
    status(on('GET', /\/manifests\//), 200, gone),
    async (read, { manifest }) => {
      if (!(await deleted(read, read.manifest(manifest.digest)))) return;
      mustHaveStatus(await read.get(read.manifest(manifest.digest)), 404);
      mustHaveStatus(await read.get(read.manifest('v1')), 404);
    },
  ),
  {
    id: 'repository-unknown',
    level: 'MUST',
    says: 'DELETE in a repository that does not exist is 404; where nothing is deleted, 400 or 405',
    red: 'DELETE: wanted status 404 or 400 or 405',
    broken: status(remove, 202, gone),
    prepare: async () => async (read) => {
      const answer = await read.send('DELETE', read.manifest(digestOf(Buffer.from(read.name))));
      mustHaveStatus(answer, 404, ...DISABLED);
    },
  },
  ofImage(
    {
      id: 'blob',
      level: 'MUST',
      says: 'DELETE of a blob answers 202; where blobs are not deleted, 400 or 405',
      red: 'DELETE: wanted status 202 or 400 or 405',
    },
    status(on('DELETE', /\/blobs\/sha/), 200, accepted),
    async (read, { layer }) => void (await deleted(read, read.blob(layer.digest))),
  ),
  ofImage(
    { id: 'blob-gone', level: 'MUST', says: 'a deleted blob is 404', red: 'GET: wanted status 404' },
    status(on('GET', /\/blobs\/sha/), 200, gone),
    async (read, { layer }) => {
      mustHaveStatus(await read.get(read.blob(layer.digest)), 200);
      if (!(await deleted(read, read.blob(layer.digest)))) return;
      mustHaveStatus(await read.get(read.blob(layer.digest)), 404);
    },
  ),
  ofImage(
    {
      id: 'blob-unknown',
      level: 'MUST',
      says: 'DELETE of a blob that is not there is 404; where blobs are not deleted, 400 or 405',
      red: 'DELETE: wanted status 404 or 400 or 405',
    },
    status(on('DELETE', /\/blobs\/sha/), 202, gone),
    async (read) => {
      const answer = await read.send('DELETE', read.blob(digestOf(Buffer.from(`none ${read.name}`))));
      mustHaveStatus(answer, 404, ...DISABLED);
    },
  ),
]);
