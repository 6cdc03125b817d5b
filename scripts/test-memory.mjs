import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startBreakwater } from '../benchmarks/contenders/breakwater.mjs';
import { endAll, start, untilReady } from '../benchmarks/lib/children.mjs';
import { forgetPeak, peakMemory } from '../benchmarks/lib/process-memory.mjs';
import { build } from './build.mjs';
import { setUp } from './setup.mjs';

// node scripts/test-memory.mjs [MiB of the blob …]
//
// How much memory a registry takes while a thousand clients read a cold blob from it, above what it takes idle: at most
// 300 MiB (P15, S36), whatever the size of the blob. Some read as fast as they can, most of them slowly, and those hang
// up when the others have all of it. Linux only, because the peak is read from /proc.

const MIB = 1024 * 1024;
const READERS = 1_000;
const FAST_READERS = 16;
const SLOW_BYTES_PER_SECOND = 64 * 1024;
const MOST_BYTES = 300 * MIB;
const UPSTREAM = fileURLToPath(new URL('../benchmarks/cold-upstream.mjs', import.meta.url));
const given = process.argv.slice(2).map(Number);
const sizes = given.length > 0 ? given : [256, 1024];

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void endAll().finally(() => process.exit(1)));

if (process.argv[2] === 'readers') await readers(process.argv[3], process.argv[4], Number(process.argv[5]));
else if ((await setUp()) && (await build('packages/registry-host'))) await main();
else process.exitCode = 1;

async function main() {
  for (const mib of sizes) {
    const directory = await mkdtemp(join(tmpdir(), 'breakwater-memory-'));
    try {
      const above = await measure(directory, mib);
      const met = above <= MOST_BYTES;
      console.log(
        `${mib} MiB, ${READERS} readers: ${Math.round(above / MIB)} MiB above idle, ${met ? 'ok' : 'TOO MUCH'}`,
      );
      if (!met) process.exitCode = 1;
    } finally {
      await endAll();
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Most bytes above those of an idle registry that has served before. */
async function measure(directory, mib) {
  const server = start('upstream', process.execPath, [UPSTREAM, String(mib * MIB), '1']);
  const held = await untilReady(server, async () => server.said.includes('\n') && JSON.parse(server.said));
  const image = { manifest: { digest: held.manifest }, big: { digest: held.small } };
  const { pid, urls } = await startBreakwater(directory, `http://127.0.0.1:${held.port}`, image, {});
  const [digest] = held.blobs;
  const url = `${urls.blob.slice(0, urls.blob.lastIndexOf('/'))}/${digest}`;
  await sleep(2_000);
  forgetPeak(pid);
  const idle = peakMemory(pid);
  const began = performance.now();
  const args = [fileURLToPath(import.meta.url), 'readers', url, digest, String(mib * MIB)];
  const clients = spawn(process.execPath, args, { stdio: 'inherit' });
  const life = setInterval(() => {
    const above = Math.round((peakMemory(pid) - idle) / MIB);
    console.log(`${mib} MiB: reading for ${Math.round((performance.now() - began) / 1000)} s, ${above} MiB above idle`);
  }, 15_000);
  const [code] = await once(clients, 'exit');
  clearInterval(life);
  if (code !== 0) throw new Error('the readers did not get the blob');
  return peakMemory(pid) - idle;
}

/** The clients, in a process of their own. */
async function readers(url, digest, size) {
  const { createHash } = await import('node:crypto');
  const slow = Array.from({ length: READERS - FAST_READERS }, (_, index) => readSlowly(url, index));
  const fast = Array.from({ length: FAST_READERS }, async (_, index) => {
    const response = await ask(url, index);
    const hash = index === 0 ? createHash('sha256') : undefined;
    let bytes = 0;
    for await (const chunk of response) {
      hash?.update(chunk);
      bytes += chunk.byteLength;
    }
    if (bytes !== size) throw new Error(`${bytes} bytes instead of ${size}`);
    if (hash !== undefined && `sha256:${hash.digest('hex')}` !== digest) throw new Error('the bytes are wrong');
  });
  await Promise.all(fast);
  const held = await Promise.all(slow.map((each) => each.then(({ leave }) => leave())));
  if (held.some((bytes) => bytes === 0)) throw new Error('a slow reader got nothing');
  process.exit(0);
}

/** Takes what it is sent at its own pace, until it is told to leave. */
async function readSlowly(url, index) {
  const response = await ask(url, index);
  let bytes = 0;
  response.on('data', (chunk) => {
    bytes += chunk.byteLength;
    response.pause();
    setTimeout(() => response.resume(), (chunk.byteLength / SLOW_BYTES_PER_SECOND) * 1_000);
  });
  response.on('error', () => {});
  return {
    leave() {
      response.destroy();
      return bytes;
    },
  };
}

/** From several addresses: one may not have so many connections. */
function ask(url, index) {
  const localAddress = `127.0.0.${2 + (index % 8)}`;
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: new Agent(), localAddress }, (response) => {
      if (response.statusCode === 200) resolve(response);
      else reject(new Error(`${url}: ${response.statusCode}`));
    });
    asked.once('error', reject);
    asked.end();
  });
}
