import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gc } from '@breakwater/gc';
import { type Digest, digestOf, OCI_MANIFEST } from '@breakwater/registry-core';
import { answerManifest } from '@breakwater/registry-http';
import { movableClock } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { digestNamed, FakeRegistry, repositoryNamed } from './fake-registry.js';
import { gcOf } from './test-gc.js';

const app = repositoryNamed('app');
const HOUR = 3_600_000;

/** Pulls a manifest through a real server that has the collector's middleware in front. */
async function pull(gc: Gc, digest: Digest): Promise<{ readonly status: number; readonly ms: number }> {
  const middleware = gc.middleware();
  const bytes = new TextEncoder().encode('{}');
  const server = createServer((request, response) => {
    middleware(request, response, () => {
      answerManifest(request, response, app, { digest, mediaType: OCI_MANIFEST, bytes }, {})?.catch(() =>
        response.destroy(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const began = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    return { status: answer.status, ms: performance.now() - began };
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function registryWithImage() {
  const registry = new FakeRegistry(movableClock());
  const digest = registry.putImage(app, 'image', ['layer']);
  let touches = 0;
  registry.before.touch = () => {
    touches += 1;
  };
  return { registry, digest, touches: () => touches };
}

describe('the lease of what is served (G4)', () => {
  test('is written before the first answer, and lets the image outlive its tag by the grace', async () => {
    const { registry, digest, touches } = registryWithImage();
    registry.tag(app, 'latest', digest);
    registry.clock.advance({ days: 1 });
    const puller = gcOf(registry, { graceMs: HOUR });
    const collector = gcOf(registry, { graceMs: HOUR });
    expect((await pull(puller, digest)).status).toBe(200);
    expect(touches()).toBe(1);
    const report = await collector.runOnce();
    expect(report.expiredTotal).toBe(1);
    expect(registry.isWhole(app, digest)).toBe(true);
    registry.clock.advance({ ms: HOUR + 20_000 });
    await collector.runOnce();
    expect(registry.content.size).toBe(0);
    await puller.stop();
  });

  test('is renewed in memory until half of the grace has passed, and written by stop()', async () => {
    const { registry, digest, touches } = registryWithImage();
    const gc = gcOf(registry, { graceMs: HOUR });
    await pull(gc, digest);
    registry.clock.advance({ ms: HOUR / 2 - 1 });
    const noted = registry.clock.now();
    await pull(gc, digest);
    expect(touches()).toBe(1);
    await gc.stop();
    expect(touches()).toBe(2);
    expect([...registry.links.values()].map(({ usedAt }) => usedAt)).toEqual([noted, noted, noted]);
  });

  test('is written at once again when half of the grace has passed', async () => {
    const { registry, digest, touches } = registryWithImage();
    const gc = gcOf(registry, { graceMs: HOUR });
    await pull(gc, digest);
    registry.clock.advance({ ms: HOUR / 2 });
    await pull(gc, digest);
    expect(touches()).toBe(2);
    await gc.stop();
  });

  test('is written before this process sweeps', async () => {
    const { registry, digest } = registryWithImage();
    const gc = gcOf(registry, { graceMs: HOUR });
    await pull(gc, digest);
    registry.clock.advance({ ms: HOUR / 2 - 1 });
    await pull(gc, digest);
    registry.clock.advance({ ms: HOUR / 2 + 20_000 });
    await gc.runOnce();
    expect(registry.isWhole(app, digest)).toBe(true);
    await gc.stop();
  });

  test('when uses cannot be written, nothing is swept', async () => {
    const { registry, digest } = registryWithImage();
    const gc = gcOf(registry, { graceMs: HOUR });
    registry.before.touch = () => {
      throw Object.assign(new Error('no database'), { code: 'ECONNREFUSED' });
    };
    expect((await pull(gc, digest)).status).toBe(200);
    registry.clock.advance({ days: 1 });
    const report = await gc.runOnce();
    expect(report.steps[1]).toMatchObject({ name: 'plan_sweep', error: 'ECONNREFUSED' });
    expect(registry.isWhole(app, digest)).toBe(true);
    await gc.stop();
  });

  test('a store that hangs delays one pull by 200 ms and then none', async () => {
    const { registry, digest } = registryWithImage();
    let release = () => {};
    const hanging = new Promise<void>((resolve) => {
      release = resolve;
    });
    registry.before.touch = () => hanging;
    const gc = gcOf(registry, { graceMs: HOUR });
    const first = await pull(gc, digest);
    expect(first.status).toBe(200);
    expect(first.ms).toBeGreaterThan(190);
    expect(first.ms).toBeLessThan(1500);
    const others = await Promise.all([pull(gc, digest), pull(gc, digestNamed('another'))]);
    for (const other of others) {
      expect(other.status).toBe(200);
      expect(other.ms).toBeLessThan(190);
    }
    release();
    await gc.stop();
  });

  test('a hundred pulls of one image at once write one lease', async () => {
    const { registry, digest, touches } = registryWithImage();
    const gc = gcOf(registry, { graceMs: HOUR });
    await Promise.all(Array.from({ length: 100 }, () => pull(gc, digest)));
    expect(touches()).toBeLessThan(20);
    await gc.stop();
  });

  test('content that is no longer linked is not remembered as leased', async () => {
    const { registry, touches } = registryWithImage();
    const gc = gcOf(registry, { graceMs: HOUR });
    const gone = digestOf(new Uint8Array([1]));
    await pull(gc, gone);
    await pull(gc, gone);
    expect(touches()).toBe(2);
    await gc.stop();
  });

  test.each([
    ['a grace of 0', { graceMs: 0 }],
    ['nobody who takes notes', { graceMs: HOUR, use: undefined }],
  ])('with %s requests pass untouched', async (_name, options) => {
    const { registry, digest, touches } = registryWithImage();
    const gc = gcOf(registry, options);
    expect((await pull(gc, digest)).status).toBe(200);
    expect(touches()).toBe(0);
    await gc.stop();
  });
});
