import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@breakwater/registry-core';
import { rawGet } from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express5 from 'express';
import express4 from 'express4';
import { createPage } from '../src/http/page.js';

const HTML = '<!doctype html><title>the page</title>';
const SCRIPT = `// ${'a long script '.repeat(100)}`;
let directory: string;
const servers: Server[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'breakwater-page-'));
  await mkdir(join(directory, 'assets'));
  await writeFile(join(directory, 'index.html'), HTML);
  await writeFile(join(directory, 'assets', 'index-abcd1234.js'), SCRIPT);
  await writeFile(join(directory, 'assets', 'font-abcd1234.woff2'), 'no font');
  await writeFile(join(directory, 'manifest.json'), '{}');
});

afterAll(async () => {
  for (const server of servers) server.close();
  await rm(directory, { recursive: true, force: true });
});

describe.each(['node:http', 'Express 4', 'Express 5'])('served by %s', (kind) => {
  let url: string;
  beforeAll(async () => {
    const page = createPage({ directory, logger: silentLogger });
    const app = kind === 'Express 4' ? (express4() as unknown as express5.Application) : express5();
    app.use(page);
    app.use((_request, response) => void response.status(418).end());
    const plain = createServer((request, response) =>
      page(request, response, () => void response.writeHead(418).end()),
    );
    url = await listen(kind === 'node:http' ? plain : createServer(app));
  });

  test.each(['/organization', '/organization/', '/organization/lab?tab=Settings', '/signin?next=%2Forganization'])(
    '%s is the page',
    async (path) => {
      const { status, headers, bytes } = await rawGet(`${url}${path}`);
      expect([status, bytes.toString()]).toEqual([200, HTML]);
      expect(headers['cache-control']).toBe('no-cache');
      expect(headers['content-type']).toBe('text/html; charset=utf-8');
    },
  );

  test('nothing inline, nothing from elsewhere, no page around it', async () => {
    const { headers } = await rawGet(`${url}/organization`);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  test('files are compressed where it pays, and kept for ever under names that change with them', async () => {
    const script = await rawGet(`${url}/settings-page/assets/index-abcd1234.js`, {
      headers: { 'accept-encoding': 'gzip, br' },
    });
    expect(script.headers['content-encoding']).toBe('gzip');
    expect(script.bytes.length).toBeLessThan(SCRIPT.length / 2);
    expect(script.headers['cache-control']).toContain('immutable');
    const plain = await rawGet(`${url}/settings-page/assets/index-abcd1234.js`);
    expect(plain.bytes.toString()).toBe(SCRIPT);
    expect(plain.headers.etag).not.toBe(script.headers.etag);
    const font = await rawGet(`${url}/settings-page/assets/font-abcd1234.woff2`, {
      headers: { 'accept-encoding': 'gzip' },
    });
    expect([font.bytes.toString(), font.headers['content-encoding']]).toEqual(['no font', undefined]);
  });

  test('what is there already is not sent again', async () => {
    const { headers } = await rawGet(`${url}/organization`);
    const again = await rawGet(`${url}/organization`, { headers: { 'if-none-match': String(headers.etag) } });
    expect([again.status, again.bytes.length]).toEqual([304, 0]);
  });

  test.each([
    ['/organization/lab/else', 418],
    ['/api/v1/organization/lab', 418],
    ['/v2/', 418],
    ['/settings-page/assets/none.js', 404],
    ['/settings-page/manifest.json', 404],
    ['/settings-page/', 404],
  ])('%s: %i', async (path, status) => {
    expect((await rawGet(`${url}${path}`)).status).toBe(status);
  });

  test('it is only read', async () => {
    const answer = await rawGet(`${url}/organization`, { method: 'POST' });
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD']);
    const head = await rawGet(`${url}/organization`, { method: 'HEAD' });
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
  });
});

test('a page that is not built says how to build it, and is there once it has been', async () => {
  const late = join(directory, 'late');
  const page = createPage({ directory: late, logger: silentLogger });
  const url = await listen(createServer((request, response) => page(request, response, () => undefined)));
  const before = await rawGet(`${url}/organization`);
  expect([before.status, before.bytes.toString()]).toEqual([503, expect.stringContaining('npm run build')]);
  await mkdir(late);
  await writeFile(join(late, 'index.html'), HTML);
  expect((await rawGet(`${url}/organization`)).status).toBe(200);
});

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
