import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '@breakwater/registry-core';
import { pushBlob, rawGet, startTestRegistry, type TestRegistry, writeRequest } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SERVER_OPTIONS } from '../src/app/server-options.js';
import { SlowClients } from '../src/app/slow-clients.js';
import { closed, rawConnection } from './support/slow-sockets.js';

// S36: who neither sends nor takes is cut; who goes on, however slowly, may take as long as it takes.

const IDLE_S = 1;
/** More than all buffers between the two ends hold. */
const LARGE = randomBytes(32 * 1024 * 1024);

let breakwater: TestRegistry;
let name: string;
beforeAll(async () => {
  breakwater = await startTestRegistry({ env: { BREAKWATER_CLIENT_IDLE_S: String(IDLE_S) } });
  name = `${await breakwater.hostedOrganization()}/app`;
  expect((await pushBlob(target(), LARGE)).status).toBe(201);
}, 60_000);
afterAll(() => breakwater?.close());

const target = () => ({ url: breakwater.url, name, authorization: breakwater.authorization });
const cut = async (at: string) =>
  Number(
    new RegExp(`^breakwater_slow_clients_cut_total\\{at="${at}"\\} (\\d+)$`, 'm').exec(
      (await rawGet(`${breakwater.url}/metrics`)).bytes.toString(),
    )?.[1],
  );
const head = (method: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries({
    Host: breakwater.host,
    Authorization: breakwater.authorization,
    ...headers,
  })
    .map(([key, value]) => `${key}: ${value}\r\n`)
    .join('')}\r\n`;

async function beginUpload(): Promise<string> {
  const begun = await writeRequest(target(), 'POST', `/v2/${name}/blobs/uploads/`);
  const location = begun.headers.get('location') ?? '';
  return location.replace(breakwater.url, '');
}

test('a slow push and a slow pull go on for longer than the time-out', async () => {
  const bytes = randomBytes(160 * 1024);
  const path = `${await beginUpload()}?digest=${digestOf(bytes)}`;
  const push = await rawConnection(target(), head('PUT', path, { 'Content-Length': String(bytes.byteLength) }));
  const pull = await rawConnection(target(), head('GET', `/v2/${name}/blobs/${digestOf(LARGE)}`));
  let taken = 0;
  // A tenth at a time, for five times as long as a client may be silent.
  for (let at = 0; at < 10; at += 1) {
    push.write(bytes.subarray((at * bytes.byteLength) / 10, ((at + 1) * bytes.byteLength) / 10));
    for (const goal = taken + 512 * 1024; taken < goal; taken += pull.read()?.byteLength ?? 0)
      await once(pull, 'readable');
    await sleep((IDLE_S * 1_000) / 2);
  }
  expect([push.destroyed, pull.destroyed]).toEqual([false, false]);
  const answer: Buffer[] = [];
  push.on('data', (chunk) => answer.push(chunk)).resume();
  while (!Buffer.concat(answer).includes('\r\n\r\n')) await once(push, 'data');
  expect(Buffer.concat(answer).toString()).toMatch(/^HTTP\/1\.1 201 /);
  expect(taken).toBeGreaterThan(0);
  push.destroy();
  pull.destroy();
  expect([await cut('sending'), await cut('taking')]).toEqual([0, 0]);
}, 30_000);

test('a push that stops and a reader that takes nothing are cut, and so is who talks slowly', async () => {
  const path = `${await beginUpload()}?digest=${digestOf(LARGE)}`;
  const push = await rawConnection(target(), head('PUT', path, { 'Content-Length': String(LARGE.byteLength) }));
  push.write(LARGE.subarray(0, 100_000));
  const pull = await rawConnection(target(), head('GET', `/v2/${name}/blobs/${digestOf(LARGE)}`));
  // It sends something every time before it would count as silent, but hardly anything.
  const drip = await rawConnection(target(), head('PUT', await beginUpload(), { 'Transfer-Encoding': 'chunked' }));
  const dripping = setInterval(() => drip.write('1\r\nx\r\n'), (IDLE_S * 1_000) / 4);
  try {
    await Promise.all([closed(push), closed(drip)]);
    for (let waited = 0; (await cut('taking')) === 0 && waited < 20_000; waited += 100) await sleep(100);
    await closed(pull);
  } finally {
    clearInterval(dripping);
  }
  expect([await cut('sending'), await cut('taking')]).toEqual([2, 1]);
  expect((await rawGet(`${breakwater.url}/readyz`)).status).toBe(200);
}, 30_000);

test('a reader that takes hardly anything is cut; what the server takes long for is not the fault of the client', async () => {
  const slow = new SlowClients({
    idleMs: 400,
    takingMs: 1_200,
    minBytesPerS: 64 * 1024 * 1024,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const answers: RequestListener = async (request, response) => {
    // Four times as long as a client may be silent.
    await sleep(1_600);
    if (request.method === 'POST') request.resume();
    else for (let at = 0; at < 8 && !response.destroyed; at += 1) response.write(LARGE.subarray(0, 4 * 1024 * 1024));
    response.end('done');
  };
  const server = createServer(SERVER_OPTIONS, answers);
  slow.guard(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const body = 'x'.repeat(100_000);
    const answer = await fetch(url, { method: 'POST', body });
    expect(await answer.text()).toBe('done');
    expect(slow.facts).toEqual({ sending: 0, taking: 0 });
    const reader = await rawConnection({ url }, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const taking = setInterval(() => reader.read(), 50);
    await new Promise((settled) => reader.once('close', settled));
    clearInterval(taking);
    expect(slow.facts).toEqual({ sending: 0, taking: 1 });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}, 30_000);

test('a request as a whole has no deadline', () => {
  expect(SERVER_OPTIONS.requestTimeout).toBe(0);
});
