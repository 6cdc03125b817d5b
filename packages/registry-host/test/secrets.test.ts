import {
  buildImage,
  type FaultUpstream,
  pullImage,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { afterEach, expect, test } from '@jest/globals';
import { createLogger } from '../src/observe/create-logger.js';

// Every secret that passes through is a word that occurs nowhere else, and is looked for wherever something comes out:
// log lines at debug, answers, metrics, the management API, and the rows of the database.

const PASSWORD = 'canary-of-the-upstream-password';
const SIGNATURE = 'canary-of-a-presigned-query';
const CLIENT = 'canary-of-a-client-credential';

const closing: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

/** What pino would write, line by line. */
async function linesOf(run: () => Promise<void>): Promise<string> {
  const lines: string[] = [];
  const write = process.stdout.write;
  process.stdout.write = ((chunk: string | Uint8Array) => {
    lines.push(String(chunk));
    return true;
  }) as typeof write;
  try {
    await run();
  } finally {
    process.stdout.write = write;
  }
  return lines.join('');
}

async function everyRow({ state }: TestRegistry): Promise<string> {
  const { knex } = state.database;
  const tables: { tablename: string }[] = await knex('pg_tables').where({ schemaname: 'public' }).select('tablename');
  const rows = await Promise.all(tables.map(({ tablename }) => knex(tablename).select()));
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer'
      ? Buffer.from((value as unknown as { data: number[] }).data).toString('latin1')
      : value,
  );
}

async function failingPulls(breakwater: TestRegistry, organization: string, upstream: FaultUpstream): Promise<string> {
  const headers = { authorization: `Basic ${Buffer.from(`somebody:${CLIENT}`).toString('base64')}`, cookie: CLIENT };
  const base = `${breakwater.url}/v2/${organization}/team/app`;
  const answers = [await rawGet(`${base}/manifests/v1`, { headers }), await rawGet(`${base}/manifests/none`)];
  for (const fault of [
    { kind: 'status', status: 503 },
    { kind: 'status', status: 401, headers: { 'www-authenticate': 'Basic realm="again"' } },
    { kind: 'no-answer', by: 'reset' },
    { kind: 'captive-portal' },
    { kind: 'redirect', location: `http://127.0.0.1:1/gone?signature=${SIGNATURE}` },
  ] as const) {
    const handle = upstream.fault(fault);
    answers.push(await rawGet(`${base}/manifests/other`), await rawGet(`${base}/blobs/sha256:${'0'.repeat(64)}`));
    handle.clear();
  }
  return answers
    .map(({ reasonPhrase, headers: sent, bytes }) => [reasonPhrase, JSON.stringify(sent), bytes])
    .join('\n');
}

test('no secret comes out anywhere, whatever goes wrong', async () => {
  const auth = { kind: 'bearer', username: 'robot', password: PASSWORD } as const;
  const upstream = await startFaultUpstream({ auth });
  closing.push(upstream);
  upstream.add('team/app', 'v1', buildImage({ seed: 1 }));
  upstream.redirectBlobsTo(upstream.origins.cdn);
  let answers = '';
  let rows = '';
  const lines = await linesOf(async () => {
    const breakwater = await startTestRegistry({
      logger: createLogger('debug'),
      deadlines: { checkBudgetMs: 200, clientBudgetMs: 10_000, headersMs: 800 },
    });
    closing.push(breakwater);
    const settings = {
      upstream_registry: upstream.host,
      upstream_registry_username: 'robot',
      upstream_registry_password: PASSWORD,
    };
    const organization = await breakwater.proxyOrganization(settings);
    expect((await pullImage(breakwater.url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
    const path = `/api/v1/organization/${organization}`;
    answers = [
      await failingPulls(breakwater, organization, upstream),
      (await rawGet(`${breakwater.url}/metrics`)).bytes,
      JSON.stringify((await breakwater.api('GET', `${path}/proxycache`)).body),
      JSON.stringify((await breakwater.api('PUT', `${path}/proxycache`, { ...settings, expiration_s: -1 })).body),
      JSON.stringify((await breakwater.api('POST', `${path}/validateproxycache`, settings)).body),
      JSON.stringify((await breakwater.api('GET', `${path}/proxycache/health`)).body),
      JSON.stringify((await breakwater.api('GET', `${path}/proxycache/events`)).body),
    ].join('\n');
    rows = await everyRow(breakwater);
    await breakwater.close();
  });

  const tokens = upstream.requests.flatMap(
    ({ headers }) => /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? [],
  );
  expect(tokens.length).toBeGreaterThan(0);
  expect(lines).toContain('"level":"debug"');
  const basic = Buffer.from(`robot:${PASSWORD}`).toString('base64');
  for (const secret of [PASSWORD, basic, SIGNATURE, CLIENT, ...new Set(tokens)]) {
    for (const [where, text] of Object.entries({ lines, answers, rows })) {
      expect({ where, holds: text.includes(secret) }).toEqual({ where, holds: false });
    }
  }
  expect(upstream.requests.some(({ headers }) => JSON.stringify(headers).includes(CLIENT))).toBe(false);
});
