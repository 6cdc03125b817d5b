import { createHash } from 'node:crypto';
import {
  buildImage,
  type FaultUpstream,
  pullImage,
  pushImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';

// S26: whoever has nothing of a digest cannot tell whether somebody else has it. What takes time is compared by its causes,
// the statements and the upstream requests that an answer costs, since these are the same on every machine.

const LAYERS = 12;
const foreign = buildImage({ seed: 'of somebody else', layers: LAYERS });
/** One for each question about manifests: what an upstream has refused is remembered for a moment. */
const manifests = [0, 1, 2].map((at) => buildImage({ seed: `of somebody else ${at}`, layers: 1 }));
const unknown = (seed: number | string) => `sha256:${createHash('sha256').update(`nobody ${seed}`).digest('hex')}`;

let upstream: FaultUpstream;
let ofOthers: FaultUpstream;
let breakwater: TestRegistry;
let hosted: string;
let proxied: string;
const statements: { readonly text: string; readonly values: string }[] = [];
const query = pg.Client.prototype.query;

beforeAll(async () => {
  // What knex sends goes through here.
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    const [asked, values] = given as [string | { readonly text: string; readonly values?: unknown }, unknown];
    const text = typeof asked === 'string' ? asked : asked.text;
    statements.push({ text, values: JSON.stringify((typeof asked === 'string' ? values : asked.values) ?? []) });
    return (query as (...all: unknown[]) => unknown).apply(this, given);
  } as typeof query;
  [upstream, ofOthers] = await Promise.all([startFaultUpstream(), startFaultUpstream()]);
  upstream.add('team/app', 'v1', buildImage({ seed: 'our own' }));
  const images = [foreign, ...manifests];
  for (const [at, image] of images.entries()) ofOthers.add('team/app', `v${at}`, image);
  breakwater = await startTestRegistry();
  const { url, authorization } = breakwater;
  hosted = `${await breakwater.hostedOrganization()}/team/app`;
  await pushImage({ url, name: hosted, authorization }, 'v1', buildImage({ seed: 'our own' }));
  proxied = `${await breakwater.proxyOrganization({ upstream_registry: upstream.host })}/team/app`;
  expect((await pullImage(url, proxied, 'v1')).problems).toEqual([]);
  // Somebody else has the image twice: pushed, and cached.
  const other = await breakwater.hostedOrganization();
  const cached = await breakwater.proxyOrganization({ upstream_registry: ofOthers.host });
  for (const [at, image] of images.entries()) {
    await pushImage({ url, name: `${other}/team/app`, authorization }, `v${at}`, image);
    expect((await pullImage(url, `${cached}/team/app`, `v${at}`)).problems).toEqual([]);
  }
}, 60_000);
afterAll(async () => {
  pg.Client.prototype.query = query;
  await breakwater?.close();
  await Promise.all([upstream?.close(), ofOthers?.close()]);
});

/** What an answer says and what it has cost, with the digest taken out. */
async function facts(method: string, path: string, digest: string) {
  statements.length = 0;
  upstream.reset();
  const answer = await rawGet(`${breakwater.url}/v2/${path.replace('DIGEST', digest)}`, {
    method,
    headers: { authorization: breakwater.authorization },
  });
  const { date: _date, 'x-request-id': _id, ...headers } = answer.headers;
  const said = JSON.stringify([answer.status, headers, answer.bytes.toString()]);
  return {
    said: said.replaceAll(digest, 'DIGEST').replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, 'ID'),
    // Others' are those of what was stored above, which come a little later.
    statements: statements
      .filter(({ values }) => values.includes(digest) && values.includes(path.split('/')[0] ?? ''))
      .map(({ text }) => text),
    asked: upstream.requests.map((request) => `${request.method} ${request.path.replaceAll(digest, 'DIGEST')}`),
  };
}

const questions = (name: string) =>
  [
    ['GET', `${name}/blobs/DIGEST`],
    ['HEAD', `${name}/blobs/DIGEST`],
    ['GET', `${name}/manifests/DIGEST`],
    ['HEAD', `${name}/manifests/DIGEST`],
    ['GET', `${name}/referrers/DIGEST`],
  ] as const;

test.each(['hosted', 'proxied'] as const)(
  'in a %s organization a digest of somebody else is answered and looked for as one that nobody has',
  async (kind) => {
    const name = kind === 'hosted' ? hosted : proxied;
    for (const [at, [method, path]] of questions(name).entries()) {
      const theirs = path.includes('/blobs/')
        ? (foreign.layers[at]?.digest ?? '')
        : (manifests[at - 2]?.manifest.digest ?? '');
      const nobodys = await facts(method, path, unknown(`${kind} ${at}`));
      expect([method, path, await facts(method, path, theirs)]).toEqual([method, path, nobodys]);
      if (kind === 'proxied' && !path.includes('/referrers/')) expect(nobodys.asked).not.toEqual([]);
    }
    if (kind === 'hosted') {
      const mount = (digest: string) => `${hosted}/blobs/uploads/?mount=${digest}&from=somebody/else`;
      const nobodys = await facts('POST', mount('DIGEST'), unknown('mount'));
      expect(await facts('POST', mount('DIGEST'), foreign.layers[8]?.digest ?? '')).toEqual(nobodys);
    }
  },
  60_000,
);

test('all of them are not there, however often; the time that it takes is told and decides nothing', async () => {
  const taken = { foreign: [] as number[], unknown: [] as number[] };
  for (let at = 0; at < 200; at += 1) {
    const own = at % 2 === 0 ? 'foreign' : 'unknown';
    const digest = own === 'foreign' ? (foreign.layers[at % LAYERS]?.digest ?? '') : unknown(`timed ${at % LAYERS}`);
    const began = performance.now();
    const { status } = await rawGet(`${breakwater.url}/v2/${hosted}/blobs/${digest}`, {
      headers: { authorization: breakwater.authorization },
    });
    expect(status).toBe(404);
    taken[own].push(performance.now() - began);
  }
  const median = (times: number[]) => times.sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0;
  process.stdout.write(
    `a blob of somebody else: ${median(taken.foreign).toFixed(2)} ms, one that nobody has: ${median(taken.unknown).toFixed(2)} ms (medians of 100)\n`,
  );
});
