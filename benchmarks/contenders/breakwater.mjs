import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start, untilReady } from '../lib/children.mjs';
import { fetchHashed, NAME, TAG } from '../lib/image.mjs';

const MAIN = join(import.meta.dirname, '..', '..', 'packages', 'registry-host', 'dist', 'main.js');
const PASSWORD = 'the administrator of a benchmark';
const ORGANIZATION = 'mirror';
const DAY_S = 86_400;
const CACHED_WITHIN_MS = 30_000;

/** The registry as `npm start` runs it, with one proxy organization of the upstream and the image in its cache. */
export async function startBreakwater(directory, upstream, image, { profile }) {
  const { host } = new URL(upstream);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BREAKWATER_'));
  const env = {
    UV_THREADPOOL_SIZE: '16',
    ...Object.fromEntries(inherited),
    BREAKWATER_LISTEN: '127.0.0.1:0',
    BREAKWATER_DATA_DIR: join(directory, 'breakwater'),
    BREAKWATER_ADMIN_PASSWORD: PASSWORD,
    BREAKWATER_SEED_ORGANIZATIONS: 'none',
    BREAKWATER_UPSTREAM_ALLOWED_HOSTS: host,
    NODE_ENV: 'production',
  };
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  // Interrupted, it ends at once: nobody routes requests to it that would have to be told first.
  const server = start('breakwater', process.execPath, [...profiling, MAIN], {
    env,
    cwd: directory,
    endSignal: 'SIGINT',
  });
  const origin = await untilReady(server, async () => /ready at (http:\S+)/.exec(server.said)?.[1]);
  await configure(origin, host);
  const urls = {
    tag: `${origin}/v2/${ORGANIZATION}/${NAME}/manifests/${TAG}`,
    digest: `${origin}/v2/${ORGANIZATION}/${NAME}/manifests/${image.manifest.digest}`,
    blob: `${origin}/v2/${ORGANIZATION}/${NAME}/blobs/${image.big.digest}`,
  };
  for (const url of Object.values(urls)) await untilCached(url);
  return { name: server.name, pid: server.child.pid, urls };
}

async function configure(origin, upstream) {
  await post(`${origin}/api/v1/organization/`, { name: ORGANIZATION });
  await post(`${origin}/api/v1/organization/${ORGANIZATION}/proxycache`, {
    upstream_registry: upstream,
    insecure: true,
    staleness_period_s: DAY_S,
    anonymous_pull: true,
  });
}

async function post(url, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
  });
  if (answer.status !== 201) throw new Error(`POST ${url}: ${answer.status} ${await answer.text()}`);
}

async function untilCached(url) {
  const deadline = performance.now() + CACHED_WITHIN_MS;
  for (;;) {
    const { status, headers } = await fetchHashed(url);
    if (status !== 200) throw new Error(`GET ${url}: ${status}`);
    if (/; hit/.test(headers['cache-status'] ?? '')) return;
    if (performance.now() > deadline) throw new Error(`GET ${url}: it does not become a hit`);
    await sleep(50);
  }
}
