import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawGet, startTestRegistry, type TestRegistry } from '@breakwater/test-kit';
import { afterEach, expect, test } from '@jest/globals';

// S36: connections that somebody holds open do not keep others from theirs.

let breakwater: TestRegistry | undefined;
const sockets: Socket[] = [];
const lines: Record<string, unknown>[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await breakwater?.close();
  breakwater = undefined;
  lines.splice(0);
});

async function start(env: Record<string, string>): Promise<TestRegistry> {
  const log = (fields: object, message: string) => void lines.push({ ...fields, message });
  breakwater = await startTestRegistry({ env, logger: { debug: log, info: log, warn: log, error: log } });
  return breakwater;
}

/** Opens connections that send half a head and no more. Resolves to those that are open after a moment. */
async function slowConnections(url: string, from: string, count: number): Promise<readonly Socket[]> {
  const { hostname, port } = new URL(url);
  const opened = Array.from({ length: count }, () => {
    const socket = connect({ host: hostname, port: Number(port), localAddress: from });
    socket.on('error', () => undefined);
    socket.on('connect', () => socket.write('GET /v2/ HTTP/1.1\r\nHost:'));
    sockets.push(socket);
    return socket;
  });
  await Promise.all(
    opened.map((socket) => new Promise((settled) => socket.once('connect', settled).once('close', settled))),
  );
  await sleep(200);
  return opened.filter(({ destroyed }) => !destroyed);
}

const metric = async (url: string, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await rawGet(`${url}/metrics`)).bytes.toString())?.[1]);

test('one address has so many, and the others do not feel it', async () => {
  const { url } = await start({ BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: '20' });
  const open = await slowConnections(url, '127.0.0.2', 50);
  expect(open).toHaveLength(20);
  expect((await rawGet(`${url}/readyz`)).status).toBe(200);
  expect(await metric(url, 'breakwater_connections_refused_total{limit="client"}'.replace(/[{}]/g, '\\$&'))).toBe(30);
  expect(await metric(url, 'breakwater_connections')).toBe(21);
  expect(lines.filter(({ setting }) => setting === 'BREAKWATER_MAX_CONNECTIONS_PER_CLIENT')).toMatchObject([
    { limit: 20, address: '127.0.0.2' },
  ]);
  // One that goes makes room for another.
  open[0]?.destroy();
  await sleep(50);
  expect(await slowConnections(url, '127.0.0.2', 2)).toHaveLength(1);
});

test('all together have so many', async () => {
  const { url } = await start({ BREAKWATER_MAX_CONNECTIONS: '20', BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: '0' });
  const open = await slowConnections(url, '127.0.0.2', 50);
  expect(open).toHaveLength(20);
  open[0]?.destroy();
  await sleep(50);
  expect(await metric(url, 'breakwater_connections_refused_total{limit="all"}'.replace(/[{}]/g, '\\$&'))).toBe(30);
  expect(lines.filter(({ setting }) => setting === 'BREAKWATER_MAX_CONNECTIONS')).toHaveLength(1);
});
