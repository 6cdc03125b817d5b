import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { testWith } from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CLIENT_OPERATIONS } from './clients/client-operations.js';
import { type ClientSite, problemIn, STATES, type State, startClientSite } from './clients/client-site.js';
import { tryContainerd } from './clients/containerd.js';
import { REPLAYED_CLIENTS, replay } from './clients/replayed-clients.js';

// Real clients against the running registry: what it hosts, what it proxies, and what it goes on serving when the
// upstream is gone. BREAKWATER_TEST_CLIENTS_MATRIX names a file for the results.

interface Row {
  readonly client: string;
  readonly does: string;
  readonly results: Record<State, string>;
}

const matrix: Row[] = [];
let site: ClientSite;
/** Before the tests are named: where it cannot be started they are skipped, and say why. */
const { containerd, need: containerdNeed } = await tryContainerd('/tmp');

beforeAll(async () => {
  site = await startClientSite();
});

afterAll(async () => {
  await containerd?.[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  const file = process.env['BREAKWATER_TEST_CLIENTS_MATRIX'];
  if (file === undefined) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(matrix, null, 2));
});

function note(client: string, does: string, state: State, result: string): void {
  let row = matrix.find((each) => each.client === client && each.does === does);
  if (row === undefined) {
    row = { client, does, results: { hosted: '–', proxied: '–', outage: '–' } };
    matrix.push(row);
  }
  row.results[state] = result;
}

/** How containerd comes to what is proxied: by the name of the upstream, and by a path of our own. */
const CONTAINERD_MIRRORS: Readonly<Record<string, (site: ClientSite) => string>> = {
  'fetch by ns': ({ registry }) => `[host."${registry.url}"]\n  capabilities = ["pull", "resolve"]\n`,
  'fetch by override_path': ({ registry, name }) =>
    `[host."${registry.url}/v2/${name('proxied').split('/')[0]}"]\n  capabilities = ["pull", "resolve"]\n  override_path = true\n`,
};

async function fetchByName({ registry, name, creds }: ClientSite): Promise<string | undefined> {
  return fetchImage(`${registry.host}/${name('hosted')}:v1`, ['--plain-http', '--user', creds]);
}

const FETCHES = Object.fromEntries(
  Object.entries(CONTAINERD_MIRRORS).map(([does, toml]) => [
    does,
    async (at: ClientSite) => {
      // Its images are named by the upstream, which it never reaches: the hosts file names nobody else.
      const { host } = at.upstream;
      const hosts = await containerd?.hosts(host.replace(':', '_').concat('_'), toml(at));
      return fetchImage(`${host}/team/app:v1`, ['--hosts-dir', hosts ?? '']);
    },
  ]),
);

async function fetchImage(reference: string, flags: readonly string[]): Promise<string | undefined> {
  if (containerd === undefined) return 'there is no containerd';
  const problem = problemIn(await containerd.ctr(['content', 'fetch', ...flags, reference]));
  await containerd.ctr(['images', 'rm', '--sync', reference]);
  return problem;
}

describe.each(STATES)('%s', (state) => {
  beforeAll(async () => {
    if (state === 'outage') await site.upstream.kill();
  });

  for (const operation of CLIENT_OPERATIONS) {
    if (!operation.states.includes(state)) continue;
    testWith(operation.need)(`${operation.client} ${operation.does}`, async () => {
      const problem = await operation.run(site, state);
      note(operation.client, operation.does, state, problem === undefined ? 'ok' : 'failed');
      expect(problem).toBeUndefined();
    });
  }

  for (const replayed of REPLAYED_CLIENTS) {
    test(`${replayed.client}, replayed`, async () => {
      const problem = await replay(site, state, replayed).then(
        () => undefined,
        (error: Error) => error.message,
      );
      note(`${replayed.client} (replayed)`, 'pull', state, problem === undefined ? 'ok' : 'failed');
      expect(problem).toBeUndefined();
    });
  }

  for (const [does, fetched] of Object.entries(state === 'hosted' ? { 'fetch by name': fetchByName } : FETCHES)) {
    testWith(containerdNeed)(`containerd ${does}`, async () => {
      const problem = await fetched(site);
      note('containerd (ctr)', does, state, problem === undefined ? 'ok' : 'failed');
      expect(problem).toBeUndefined();
    });
    if (!containerdNeed.met) note('containerd (ctr)', does, state, 'cannot start here');
  }
});
