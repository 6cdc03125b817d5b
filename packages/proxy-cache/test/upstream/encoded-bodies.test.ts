import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { digestOf } from '@breakwater/registry-core';
import { tagOf } from '@breakwater/test-kit';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { UpstreamClient } from '../../src/upstream/upstream-client.js';
import { failureOf, nameOf, settingsFor, soon, testClient } from '../support/upstream-client.js';

// S23: an upstream that encodes what it was asked not to is refused at its headers: nothing is unpacked, and what is read of a
// body that never ends is what one read from the socket takes.

const MIB = 1024 * 1024;
/** A gzip member of 64 MiB of zeros, in 64 KiB: as many as are taken follow each other. */
const ZEROS = gzipSync(Buffer.alloc(64 * MIB));
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const digest = digestOf(Buffer.from('x'));

let server: Server;
let client: UpstreamClient;
const sockets: Socket[] = [];
const heard = (message: unknown) => void sockets.push((message as { readonly socket: Socket }).socket);

beforeEach(async () => {
  sockets.length = 0;
  server = createServer((request, response) => {
    response.writeHead(200, {
      'content-type': 'application/vnd.oci.image.manifest.v1+json',
      'content-encoding': 'gzip',
    });
    if (request.method === 'HEAD') return response.end();
    const send = () => {
      response.write(ZEROS, (error) => {
        if (!error && !response.destroyed) send();
      });
    };
    return send();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  client = testClient();
  subscribe('net.client.socket', heard);
});
afterEach(async () => {
  unsubscribe('net.client.socket', heard);
  client.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

const registry = () => client.registry(settingsFor(`127.0.0.1:${(server.address() as AddressInfo).port}`));

test.each([
  ['a manifest', () => registry().getManifest(app, v1, soon())],
  ['HEAD of a manifest', () => registry().headManifest(app, v1, soon())],
  ['a blob', () => registry().getBlob(app, digest, soon())],
  ['HEAD of a blob', () => registry().headBlob(app, digest, soon())],
  ['a list of tags', () => registry().listTags(app, { limit: undefined, last: undefined }, soon())],
  ['referrers', () => registry().listReferrers(app, digest, '', soon())],
])('%s', async (_what, ask) => {
  expect(await failureOf(ask())).toMatchObject({
    failureClass: 'protocol',
    message: expect.stringContaining('encoded'),
  });
  const read = sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(2 * MIB);
});
