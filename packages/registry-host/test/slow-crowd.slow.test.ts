import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { digestOf } from '@breakwater/registry-core';
import {
  buildImage,
  pullImage,
  pushBlob,
  startFaultUpstream,
  startTestRegistry,
  writeRequest,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { rawConnection } from './support/slow-sockets.js';

// S36: a crowd that holds connections open and does nothing with them. BREAKWATER_TEST_SLOW_SOCKETS chooses how many.

const SOCKETS = Number(process.env['BREAKWATER_TEST_SLOW_SOCKETS'] ?? 1_500);
const PULLS = 300;
const LARGE = randomBytes(32 * 1024 * 1024);

test(`${SOCKETS} slow clients: cached pulls go on without an error`, async () => {
  await using upstream = await startFaultUpstream();
  const image = buildImage({ seed: 'in a crowd' });
  upstream.add('team/app', 'v1', image);
  await using breakwater = await startTestRegistry({
    env: { BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: '0', BREAKWATER_MAX_CONNECTIONS: '20000' },
  });
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
  const hosted = `${await breakwater.hostedOrganization()}/app`;
  const { url, host, authorization } = breakwater;
  const target = { url, name: hosted, authorization };
  expect((await pushBlob(target, LARGE)).status).toBe(201);
  expect((await pullImage(url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
  await upstream.kill();

  const head = (line: string, headers: string) =>
    `${line} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n${headers}`;
  const kinds = [
    // Never finishes its head; cut after ten seconds, and come again.
    async () => head('GET /v2/', ''),
    // Never sends its body.
    async () => {
      const begun = await writeRequest(target, 'POST', `/v2/${hosted}/blobs/uploads/`);
      const path = new URL(begun.headers.get('location') ?? '', url).pathname;
      return head(`PATCH ${path}`, 'Content-Length: 1000000\r\n\r\n');
    },
    // Never reads what it has asked for.
    async () => head(`GET /v2/${hosted}/blobs/${digestOf(LARGE)}`, '\r\n'),
  ];
  const sockets: Socket[] = [];
  const before = process.memoryUsage().rss;
  try {
    for (let at = 0; at < SOCKETS; at += 1) {
      const text = await kinds[at % kinds.length]?.();
      sockets.push(await rawConnection({ url, from: `127.0.1.${1 + (at % 250)}` }, text ?? ''));
    }
    const taken: number[] = [];
    for (let at = 0; at < PULLS; at += 1) {
      const began = performance.now();
      expect((await pullImage(url, `${organization}/team/app`, 'v1')).problems).toEqual([]);
      taken.push(performance.now() - began);
    }
    taken.sort((one, other) => one - other);
    const at = (part: number) => `${Math.round(taken[Math.floor(PULLS * part)] ?? 0)} ms`;
    const grown = Math.round((process.memoryUsage().rss - before) / 1024 / 1024);
    const open = sockets.filter(({ destroyed }) => !destroyed).length;
    process.stdout.write(
      `${SOCKETS} slow clients, ${open} of them open at the end; ${PULLS} pulls of an image: half within ${at(0.5)}, 99 % within ${at(0.99)}; ` +
        `memory of server and clients together +${grown} MiB\n`,
    );
    // All but those that are cut for their head.
    expect(open).toBeGreaterThanOrEqual(Math.floor((SOCKETS * 2) / 3));
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}, 300_000);
