import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWith, rawGet, registryState, startTestRegistry, type TestRegistry, tool } from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistryProcess } from '../support/registry-process.js';
import { exchange } from './raw-http.js';

// S35: messages whose end two readers may see in two places. Straight: 400, and the connection is closed. Behind nginx:
// nobody gets an answer that is another's.

const HIDDEN = 'GET /livez HTTP/1.1\r\nHost: hidden\r\n\r\n';
const head = (...lines: readonly string[]) => ['POST /v2/ HTTP/1.1', 'Host: registry', ...lines].join('\r\n');

/** Each hides a second request from whoever reads its end in another place. */
const AMBIGUOUS = {
  'a length and chunks': `${head('Content-Length: 5', 'Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks and a length': `${head('Transfer-Encoding: chunked', `Content-Length: ${HIDDEN.length + 5}`)}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'two lengths': `${head('Content-Length: 0', `Content-Length: ${HIDDEN.length}`)}\r\n\r\n${HIDDEN}`,
  'two equal lengths': `${head('Content-Length: 0', 'Content-Length: 0')}\r\n\r\n${HIDDEN}`,
  'lengths in a list': `${head('Content-Length: 0, 5')}\r\n\r\n${HIDDEN}`,
  'a length with a sign': `${head('Content-Length: +5')}\r\n\r\n${HIDDEN}`,
  'a length in hex': `${head('Content-Length: 0x5')}\r\n\r\n${HIDDEN}`,
  'a length below zero': `${head('Content-Length: -1')}\r\n\r\n${HIDDEN}`,
  'an unknown encoding': `${head('Transfer-Encoding: xchunked')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunked not last': `${head('Transfer-Encoding: chunked, identity')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'an encoding twice': `${head('Transfer-Encoding: identity', 'Transfer-Encoding: chunked, cow')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a space before the colon': `${head('Transfer-Encoding : chunked')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a tab in the name': `${head('Transfer\tEncoding: chunked')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a folded header': `${head('Transfer-Encoding:', ' chunked')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a leading space': `${head(' Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a NUL in a value': `${head('X-Any: a\0b')}\r\n\r\n${HIDDEN}`,
  'bare line feeds': `POST /v2/ HTTP/1.1\nHost: registry\nContent-Length: 0\n\n${HIDDEN}`,
  'a carriage return alone': `POST /v2/ HTTP/1.1\r\nHost: registry\rContent-Length: 5\r\n\r\n${HIDDEN}`,
  'a chunk size that is none': `${head('Transfer-Encoding: chunked')}\r\n\r\n0x0\r\n\r\n${HIDDEN}`,
  'a chunk size below zero': `${head('Transfer-Encoding: chunked')}\r\n\r\n-1\r\n\r\n${HIDDEN}`,
  'a chunk that is longer than it says': `${head('Transfer-Encoding: chunked')}\r\n\r\n1\r\nabc\r\n0\r\n\r\n${HIDDEN}`,
  'a line feed in a chunk extension': `${head('Transfer-Encoding: chunked')}\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n${HIDDEN}`,
  'a body behind GET': `GET /v2/ HTTP/1.1\r\nHost: registry\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'chunks behind GET': `GET /v2/ HTTP/1.1\r\nHost: registry\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'two hosts': `GET /v2/ HTTP/1.1\r\nHost: registry\r\nHost: other\r\n\r\n${HIDDEN}`,
  'no host': `GET /v2/ HTTP/1.1\r\n\r\n${HIDDEN}`,
  'a method in lower case': `get /v2/ HTTP/1.1\r\nHost: registry\r\n\r\n${HIDDEN}`,
  'a version that is none': `GET /v2/ HTTP/9.9\r\nHost: registry\r\n\r\n${HIDDEN}`,
  'a space in the target': `GET /v2/ /x HTTP/1.1\r\nHost: registry\r\n\r\n${HIDDEN}`,
};

let breakwater: TestRegistry;
beforeAll(async () => {
  breakwater = await startTestRegistry();
});
afterAll(() => breakwater.close());

const portOf = (url: string) => Number(new URL(url).port);

describe('straight', () => {
  test.each(Object.entries(AMBIGUOUS))('%s: 400, and the connection is closed', async (what, bytes) => {
    const answer = await exchange(portOf(breakwater.url), bytes, { timeoutMs: 5_000 });
    // What is wrong with a chunk shows when the head has been answered.
    const beforeIt = what.startsWith('a chunk that') ? [401] : [];
    expect([answer.statuses, answer.closed]).toEqual([[...beforeIt, 400], true]);
  });

  test('a whole URL as target is its path (RFC 9112, 3.2.2), held to the same rules', async () => {
    const of = async (target: string) => {
      const bytes = `GET ${target} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n`;
      const { statuses, text } = await exchange(portOf(breakwater.url), bytes);
      return [statuses[0], /realm="([^"]*)"/.exec(text)?.[1]];
    };
    expect(await of('http://elsewhere.example/livez')).toEqual([200, undefined]);
    expect(await of('HTTPS://elsewhere.example:1/v2/')).toEqual([401, 'http://elsewhere.example:1/v2/auth']);
    expect(await of('http://elsewhere.example')).toEqual([302, undefined]);
    expect(await of('http://elsewhere.example?x')).toEqual([302, undefined]);
    expect(await of('http://elsewhere.example/v2/a/../b/tags/list')).toEqual([400, undefined]);
    expect((await of('http://a@elsewhere.example/v2/'))[1]).toBe(`${breakwater.url}/v2/auth`);
    expect(await of('ftp://elsewhere.example/v2/')).toEqual([404, undefined]);
  });

  test('what is whole is answered, each with its own', async () => {
    const form = 'POST /v2/auth HTTP/1.1\r\nHost: registry\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n';
    const answer = await exchange(portOf(breakwater.url), `${form}${HIDDEN}`, { idleMs: 1_000 });
    expect(answer.statuses).toEqual([400, 200]);
  });
});

test('a registry whose node was told to read leniently reads as strictly', async () => {
  const state = await registryState();
  const { url, kill } = await startRegistryProcess(state, 30_000, ['--insecure-http-parser']);
  try {
    for (const what of ['a length and chunks', 'a space before the colon', 'a NUL in a value'] as const) {
      const answer = await exchange(portOf(url), AMBIGUOUS[what], { timeoutMs: 5_000 });
      expect([what, answer.statuses, answer.closed]).toEqual([what, [400], true]);
    }
  } finally {
    await kill();
    await state.remove();
  }
}, 60_000);

describeWith(tool('nginx', 'apt-get install nginx'))('behind nginx', () => {
  let directory: string;
  let port: number;
  let nginx: ReturnType<typeof spawn>;

  beforeAll(async () => {
    directory = await mkdtemp('/tmp/breakwater-nginx-');
    port = await freePort();
    const file = join(directory, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (each) => `${each}_temp_path ${directory}/${each};`,
    );
    await writeFile(
      file,
      `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log; worker_rlimit_nofile 1024;
events { worker_connections 256; }
http {
  access_log off; ${temporary.join(' ')}
  upstream registry { server 127.0.0.1:${portOf(breakwater.url)}; keepalive 4; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://registry; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
      proxy_set_header Host $http_host;
    }
  }
}
`,
    );
    nginx = spawn('nginx', ['-c', file, '-p', directory], { stdio: 'ignore' });
    for (let tries = 0; tries < 100; tries += 1) {
      if (
        await rawGet(`http://127.0.0.1:${port}/livez`).then(
          () => true,
          () => false,
        )
      )
        return;
      await sleep(50);
    }
    throw new Error('nginx did not start');
  });

  afterAll(async () => {
    const ended = once(nginx, 'exit');
    nginx.kill('SIGTERM');
    await ended;
    await rm(directory, { recursive: true, force: true });
  });

  test('nothing that is ambiguous shifts the answers of others', async () => {
    const plain = (path: string) => `GET ${path} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n`;
    for (const [what, bytes] of Object.entries(AMBIGUOUS)) {
      await exchange(port, bytes, { timeoutMs: 200 });
      // The connections behind nginx are shared: a request left over in one of them would be answered to one of these.
      for (const [path, status] of [
        ['/v2/', 401],
        ['/livez', 200],
        ['/v2/x/y/tags/list', 401],
        ['/readyz', 200],
      ] as const) {
        const answer = await exchange(port, plain(path));
        expect([what, path, answer.statuses]).toEqual([what, path, [status]]);
        if (status === 200) expect(answer.text).toContain(path === '/livez' ? '"live"' : '"ready"');
      }
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
