// One process of the store that kills itself at a named step: `node dying-store.mjs '<JSON>'`. It runs what was built; the
// steps are met in the file system and in the rows that it hands to the store, which knows nothing of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { openDatabase } from '../../dist/postgres/database.js';
import { PostgresBlobRows } from '../../dist/postgres/postgres-blob-rows.js';
import { PostgresDamageList } from '../../dist/postgres/postgres-damage-list.js';
import { PostgresUnlinkedManifests } from '../../dist/postgres/postgres-unlinked-manifests.js';
import { nodeFileSystem } from '../../dist/storage/file-system.js';
import { createFilesystemContent } from '../../dist/storage/filesystem-content.js';

const { connection, root, task, step, digest, file, repository, now } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const clock = { now: () => now };

/** How often the step was met. */
let met = 0;

function die() {
  process.kill(process.pid, 'SIGKILL');
}

function withStep(part, target, prefix = '') {
  return new Proxy(target, {
    get(object, property) {
      const member = Reflect.get(object, property, object);
      if (typeof member !== 'function') return member;
      return async (...parameters) => {
        const isMeant = step.call === `${part} ${prefix}${property}`;
        if (isMeant) met += 1;
        const isNow = isMeant && met === (step.nth ?? 1);
        if (isNow && step.when === 'before') return die();
        const work = member.apply(object, parameters);
        if (isNow && step.when === 'during') {
          await sleep(Math.random() * 4);
          return die();
        }
        const result = await work;
        if (isNow) return die();
        return part === 'fs' && property === 'open' ? withStep(part, result, 'handle.') : result;
      };
    },
  });
}

const database = openDatabase({ connection, logger: silent });
const content = createFilesystemContent({
  url: pathToFileURL(root).href,
  rows: withStep('rows', new PostgresBlobRows({ database, clock })),
  manifests: new PostgresUnlinkedManifests({ database }),
  damages: new PostgresDamageList({ database }),
  quarantineMs: 1_000,
  clock,
  logger: silent,
  fileSystem: withStep('fs', nodeFileSystem),
});
const tasks = {
  import: () => content.blobs.import(repository, digest, file),
  dispose: () => content.disposal.dispose(now + 1, { id: 'killed' }, async () => {}),
  reconcile: () => content.reconcile(),
};
await tasks[task]();
await database.destroy();
