import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  describeWith,
  type RedisServer,
  rawGet,
  redisServerTool,
  selfSignedCertificate,
  startRedisServer,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

// `rediss://` as operators have it: the registry as a process of its own, which trusts what NODE_EXTRA_CA_CERTS names.

const MAIN = resolve('packages/registry-host/dist/main.js');
const certificate = selfSignedCertificate({ names: ['localhost', '127.0.0.1'] });

describeWith(redisServerTool())('a Redis with TLS', () => {
  let directory: string;
  let server: RedisServer;
  const children: ChildProcess[] = [];
  const outputs: (() => string)[] = [];
  const said = (child: number) => outputs[child]?.() ?? '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'breakwater-redis-tls-'));
    await writeFile(join(directory, 'ca.pem'), certificate.cert);
    server = await startRedisServer({ certificate, password: 'the password of Redis' });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGINT');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function start(env: Readonly<Record<string, string>>): Promise<string> {
    const child = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env['PATH'],
        BREAKWATER_DATA_DIR: join(directory, 'data'),
        BREAKWATER_LISTEN: '127.0.0.1:0',
        BREAKWATER_REDIS_URL: server.url,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    outputs.push(() => output);
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    return new Promise((found, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk;
        const url = /^Breakwater is ready at (\S+)$/m.exec(output)?.[1];
        if (url !== undefined) found(url);
      });
      child.once('exit', () => reject(new Error(`it ended: ${output}`)));
    });
  }

  async function isUp(url: string): Promise<number> {
    const text = (await rawGet(`${url}/metrics`)).bytes.toString();
    return Number(/^breakwater_redis_up (\d)$/m.exec(text)?.[1]);
  }

  test('is used when its authority is trusted, and gone on without when it is not', async () => {
    const trusting = await start({ NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem') });
    for (let tries = 0; tries < 200 && (await isUp(trusting)) !== 1; tries += 1) await sleep(50);
    expect(await isUp(trusting)).toBe(1);
    expect(await server.command('CLIENT', 'LIST')).toContain('cmd=subscribe');
    children[0]?.kill('SIGINT');
    if (children[0] !== undefined) await once(children[0], 'exit');

    const wary = await start({});
    expect((await rawGet(`${wary}/readyz`)).status).toBe(200);
    await sleep(500);
    expect(await isUp(wary)).toBe(0);
    expect(said(1)).toContain('NODE_EXTRA_CA_CERTS');
  }, 60_000);
});
