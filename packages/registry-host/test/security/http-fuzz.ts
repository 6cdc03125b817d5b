import {
  buildImage,
  type FaultUpstream,
  pullImage,
  pushImage,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { OutboundSockets } from '../faults/outbound-sockets.js';
import { Random } from './random.js';
import { exchange } from './raw-http.js';

/** What fuzzed requests found. */
export interface FuzzReport {
  readonly requests: number;
  readonly answers: number;
  /** A sentence for each thing that must not be. */
  readonly problems: readonly string[];
  /** How often each status was answered. */
  readonly statuses: ReadonlyMap<number, number>;
}

const CONNECTIONS = 8;
const MOST_PROBLEMS = 20;
/** Ends a connection whose requests were all whole. */
const LAST = Buffer.from('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'get',
  'G\0T',
  '',
];
const PIECES = [
  '/',
  '//',
  '/..',
  '/.',
  '%2e%2e',
  '%2f',
  '%00',
  '%',
  '%zz',
  '\\',
  ';',
  '?',
  '#',
  '*',
  ' ',
  '\t',
  '\0',
  'ü',
  '🐳',
  '~',
  '..%c0%af',
  'v2',
  '_catalog',
  'manifests',
  'blobs',
  'uploads',
  'tags',
  'list',
  'referrers',
  'auth',
  'api',
  'v1',
  'organization',
  'metrics',
  'latest',
  'sha256:',
  'sha512:',
  `sha256:${'a'.repeat(64)}`,
  `sha256:${'A'.repeat(64)}`,
  'a'.repeat(300),
  '__proto__',
  'constructor',
  '00000000-0000-4000-8000-000000000000',
  'library',
  'nginx',
  'docker.io',
];
const QUERIES = [
  'n=',
  'n=-1',
  'n=1e9',
  'last=%00',
  'digest=',
  'digest=sha256:x',
  'mount=',
  'from=',
  'ns=',
  'ns=%00',
  'artifactType=',
  'scope=repository:a/b:*',
  'tag=',
  'next=%ff',
  'digest-algorithm=md5',
  '&&&',
  '=',
  'n[]=1',
  'account=__proto__',
];
const HEADERS = [
  'Authorization: Basic',
  'Authorization: Basic !!!!',
  'Authorization: Basic Og==',
  'Authorization: Bearer x',
  'Authorization: Bearer a.b.c',
  'Authorization: Negotiate x',
  'Cookie: breakwater-session=x',
  'Range: bytes=0-',
  'Range: bytes=-0',
  'Range: bytes=9-1',
  'Range: lines=1',
  'If-None-Match: *',
  'If-Range: x',
  'Accept: */*;q=nan',
  'Accept-Encoding: zstd;q=9',
  'Content-Type: application/json',
  'Content-Type: ;;;',
  'Content-Range: 0-0',
  'Content-Range: bytes 5-1/*',
  'Expect: 100-continue',
  'Expect: magic',
  'Upgrade: websocket',
  'Via: 1.1 a, 1.1 b',
  'X-Request-Id: \x01',
  'X-Forwarded-For: 1.1.1.1',
  'Connection: upgrade',
  'TE: trailers',
  'Transfer-Encoding: chunked',
  'Content-Length: 5',
  'Content-Length: 99999999999999999999',
  'Origin: null',
];

/** Where nobody listens: fuzzed requests name it wherever an address may stand. */
const STRANGER = '127.0.0.1:9';

/** Scopes that are long, and made so that whoever looks for their parts looks for long. */
const LONG_SCOPES = [
  `repository:${'a'.repeat(60_000)}:pull`,
  `repository:${'a:0'.repeat(10_000)}`,
  `repository:${':'.repeat(20_000)}pull`,
  `repository:a/${'b/'.repeat(200)}c:${'pull,'.repeat(2_000)}`,
  'repository:a/b:pull '.repeat(2_000),
];

/** A registry to throw things at. */
export interface FuzzSite extends AsyncDisposable {
  fuzz(count: number, seed: number, progress?: (done: number) => void): Promise<FuzzReport>;
}

export async function startFuzzSite(): Promise<FuzzSite> {
  const upstream = await startFaultUpstream();
  const image = buildImage({ seed: 'fuzz', layers: 1 });
  upstream.add('team/app', 'v1', image);
  const errors: string[] = [];
  const record = (fields: unknown, message?: unknown) => {
    if (errors.length < MOST_PROBLEMS) errors.push(`${String(message)} ${describe(fields)}`);
  };
  const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: record };
  const registry = await startTestRegistry({ logger, env: { BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: '1000' } });
  const proxied = await registry.proxyOrganization({
    upstream_registry: upstream.host,
    check_interval_s: 86_400,
    staleness_period_s: 86_400,
  });
  const hosted = await registry.hostedOrganization();
  await pushImage({ url: registry.url, name: `${hosted}/app`, authorization: registry.authorization }, 'v1', image);
  await pullImage(registry.url, `${proxied}/team/app`, 'v1');
  const outbound = new OutboundSockets();
  outbound.countAllBut(portOf(registry.url), portOf(`http://${upstream.host}`));
  return {
    fuzz: (count, seed, progress) =>
      run(
        {
          registry,
          upstream,
          outbound,
          errors,
          random: new Random(seed),
          names: [`${hosted}/app`, `${proxied}/team/app`],
          digests: [image.manifest.digest, image.config.digest],
        },
        count,
        progress,
      ),
    async [Symbol.asyncDispose]() {
      await registry.close();
      await upstream.close();
      outbound.stop();
    },
  };
}

interface Run {
  readonly registry: TestRegistry;
  readonly upstream: FaultUpstream;
  /** Connections to anywhere but the registry itself and the upstream that an organization names. */
  readonly outbound: OutboundSockets;
  /** What the registry itself called an error. */
  readonly errors: string[];
  readonly random: Random;
  readonly names: readonly string[];
  readonly digests: readonly string[];
}

async function run(site: Run, count: number, progress: (done: number) => void = () => undefined): Promise<FuzzReport> {
  const port = portOf(site.registry.url);
  const problems: string[] = [];
  const statuses = new Map<number, number>();
  let left = count;
  let answers = 0;
  const worker = async () => {
    while (left > 0 && problems.length < MOST_PROBLEMS) {
      // What is malformed ends its connection, and nobody answers what stands behind it.
      const size = site.random.chance(0.7) ? 1 : Math.min(left, 1 + site.random.below(4));
      left -= size;
      const bytes = Buffer.concat(Array.from({ length: size }, () => fuzzedRequest(site)).concat(LAST));
      const answer = await exchange(port, bytes, { idleMs: 500 });
      answers += answer.statuses.length;
      for (const status of answer.statuses) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const isWrong = answer.statuses.some((status) => status === 500 || status === 502);
      if (isWrong) problems.push(`a 500 to ${show(bytes)}: ${answer.text.slice(0, 500)}`);
      if (!answer.closed) problems.push(`no end of ${show(bytes)}`);
      if (Math.floor((count - left) / 10_000) > Math.floor((count - left - size) / 10_000)) progress(count - left);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  if (site.outbound.count > 0) problems.push(`${site.outbound.count} connections to what only requests named`);
  const livez = await exchange(port, 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  if (livez.statuses[0] !== 200) problems.push('the registry does not live any more');
  problems.push(...site.errors.map((error) => `logged: ${error}`));
  return { requests: count, answers, problems, statuses };
}

function fuzzedRequest(site: Run): Buffer {
  const { random } = site;
  if (random.chance(0.01)) return mutated(longForm(random), random);
  const method = random.chance(0.8) ? random.of(METHODS.slice(0, 6)) : random.of(METHODS);
  const lines = [`${method} ${fuzzedTarget(site)} HTTP/1.${random.chance(0.95) ? 1 : random.below(10)}`];
  if (random.chance(0.97))
    lines.push(`Host: ${random.chance(0.9) ? 'registry' : random.of([STRANGER, '', 'a b', '[::1', 'x'.repeat(300)])}`);
  const signedIn = random.chance(0.4);
  if (signedIn) lines.push(`Authorization: ${site.registry.authorization}`);
  let body = '';
  if (random.chance(0.3) && method !== 'GET' && method !== 'HEAD') {
    body = random.of([
      '{}',
      '[]',
      '{"schemaVersion":2}',
      'x'.repeat(random.below(2_000)),
      '\0\xff',
      '{"upstream_registry":"127.0.0.1:1"}',
      `{"a":${'['.repeat(100)}`,
    ]);
    lines.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`);
  }
  while (random.chance(0.4)) lines.push(random.of(HEADERS));
  const text = `${lines.join(random.chance(0.98) ? '\r\n' : '\n')}\r\n\r\n${body}`;
  return mutated(Buffer.from(text, 'latin1'), random);
}

function longForm(random: Random): Buffer {
  const form = new URLSearchParams({ grant_type: 'password', scope: random.of(LONG_SCOPES) }).toString();
  const head = ['POST /v2/auth HTTP/1.1', 'Host: registry', `Content-Length: ${form.length}`];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${form}`, 'latin1');
}

function fuzzedTarget(site: Run): string {
  const { random } = site;
  const name = random.of(site.names);
  const digest = random.of(site.digests);
  const base = random.of([
    `/v2/${name}/manifests/v1`,
    `/v2/${name}/manifests/${digest}`,
    `/v2/${name}/blobs/${digest}`,
    `/v2/${name}/blobs/uploads/`,
    `/v2/${name}/tags/list`,
    `/v2/${name}/referrers/${digest}`,
    '/v2/',
    '/v2/auth',
    `/v2/auth?scope=${encodeURIComponent(random.of(LONG_SCOPES).slice(0, 3_000))}`,
    '/livez',
    '/readyz',
    '/metrics',
    '/api/v1/user/',
    '/api/v1/organizations',
    `/api/v1/organization/${name.split('/')[0]}/proxycache`,
    `/${name.split('/')[0]}/v2/app/manifests/v1`,
    `http://${STRANGER}/v2/`,
    STRANGER,
    '*',
    '',
  ]);
  let target = base;
  while (random.chance(0.35)) {
    const at = random.below(target.length + 1);
    target = `${target.slice(0, at)}${random.of(PIECES)}${target.slice(at + random.below(4))}`;
  }
  const queries: string[] = [];
  while (random.chance(0.35)) queries.push(random.chance(0.2) ? `ns=${STRANGER}` : random.of(QUERIES));
  return queries.length === 0 ? target : `${target}?${queries.join('&')}`;
}

const portOf = (url: string) => Number(new URL(url).port);

/** Now and then some bytes are others, missing, or there twice. */
function mutated(bytes: Buffer, random: Random): Buffer {
  if (!random.chance(0.15)) return bytes;
  const at = random.below(bytes.byteLength);
  switch (random.below(3)) {
    case 0: {
      const copy = Buffer.from(bytes);
      copy[at] = random.below(256);
      return copy;
    }
    case 1:
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(Math.min(bytes.byteLength, at + 1 + random.below(8))),
      ]);
    default:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 8))]);
  }
}

function show(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1').slice(0, 2_000));
}

function describe(fields: unknown): string {
  const { err } = (fields ?? {}) as { readonly err?: unknown };
  return err instanceof Error ? (err.stack ?? err.message) : JSON.stringify(fields);
}
