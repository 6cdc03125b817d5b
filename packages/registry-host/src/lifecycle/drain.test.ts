import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DRAIN, drain } from './drain.js';

let server: Server;
let port: number;
/** Answers that have begun and not ended. */
let underWay: ServerResponse[];

beforeEach(async () => {
  underWay = [];
  server = createServer((request, response) => {
    response.write('begun');
    if (request.url === '/slow') underWay.push(response);
    else response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Resolves with what came until the connection ended; rejects when there is none to be had. */
function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => void socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`));
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.endsWith('0\r\n\r\n')) socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
  });
}

/** Periods that end when the test says so, in the order in which they begin. */
function movablePeriods() {
  const begun: { readonly ms: number; end(): void }[] = [];
  const begins: ((period: { end(): void }) => void)[] = [];
  return {
    begun,
    ...DRAIN,
    wait: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const period = { ms, end: resolve };
        begun.push(period);
        begins.splice(0).forEach((tell) => void tell(period));
        signal?.addEventListener('abort', () => reject(signal.reason));
      }),
    next: () => new Promise<{ end(): void }>((resolve) => void begins.push(resolve)),
  };
}

test('connections are accepted for 5 s more, then refused, and what is under way comes to its end', async () => {
  const periods = movablePeriods();
  const drained = drain(server, periods);
  expect(periods.begun.map(({ ms }) => ms)).toEqual([5_000]);
  expect(await ask('/')).toContain('200 OK');

  const slow = ask('/slow');
  while (underWay.length === 0) await ask('/');
  const finishing = periods.next();
  periods.begun[0]?.end();
  await finishing;
  expect(periods.begun.map(({ ms }) => ms)).toEqual([5_000, 30_000]);
  await expect(ask('/')).rejects.toHaveProperty('code', 'ECONNREFUSED');

  underWay[0]?.end('done');
  expect(await slow).toContain('done');
  await drained;
});

test('what does not end within 30 s is cut', async () => {
  const periods = movablePeriods();
  const drained = drain(server, periods);
  const slow = ask('/slow');
  while (underWay.length === 0) await ask('/');
  const finishing = periods.next();
  periods.begun[0]?.end();
  (await finishing).end();
  await drained;
  const text = await slow;
  expect(text).toContain('begun');
  expect(text).not.toContain('0\r\n\r\n');
});
