import type { AddressInfo } from 'node:net';
import { type Gc, gcMigrations } from '@breakwater/gc';
import { createTestDatabase, movableClock } from '@breakwater/test-kit';
import { afterEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import { FakeRegistry, repositoryNamed, UPSTREAM } from './fake-registry.js';
import { gcOf } from './test-gc.js';

const app = repositoryNamed('app');
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A real Express server with the route; resolves to a function that posts to it. */
async function serve(gc: Gc) {
  const host = express();
  host.use(gc.router());
  const server = host.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(async () => {
    await new Promise((resolve) => server.close(resolve));
    await gc.stop();
  });
  const { port } = server.address() as AddressInfo;
  return async (path: string, user?: string, method = 'POST') => {
    const headers = user === undefined ? {} : { authorization: user };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type') === 'application/json';
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
  };
}

function registryWithTags(): FakeRegistry {
  const registry = new FakeRegistry(movableClock());
  const digest = registry.putImage(app, 'image', ['layer']);
  registry.tag(app, 'old', digest);
  registry.tag(app, 'pinned', digest, { pinned: true, expirationS: 60 });
  registry.clock.advance({ days: 1 });
  return registry;
}

describe('GET /api/v1/gc/runs', () => {
  test('lists runs, the latest first, page by page, to administrators', async () => {
    const database = await createTestDatabase({ migrations: [gcMigrations()] });
    try {
      const registry = registryWithTags();
      const gc = gcOf(registry, { knex: database.knex });
      const ask = await serve(gc);
      const ids: string[] = [];
      for (let run = 0; run < 3; run += 1) ids.unshift((await gc.runOnce()).runId);
      await gc.runOnce({ dryRun: true });
      const first = await ask('/api/v1/gc/runs?limit=2', 'admin', 'GET');
      expect(first.status).toBe(200);
      expect(first.body.runs.map((run: { run_id: string }) => run.run_id)).toEqual(ids.slice(0, 2));
      expect(first.body.runs[0]).toMatchObject({ state: 'done', finished_at: '2024-01-02T00:00:00.000Z' });
      const second = await ask(`/api/v1/gc/runs?limit=2&next_page=${first.body.next_page}`, 'admin', 'GET');
      expect(second.body.runs).toMatchObject([{ run_id: ids[2], report: { expired_total: 1 } }]);
      expect(second.body.next_page).toBeUndefined();
      expect((await ask('/api/v1/gc/runs', 'alice', 'GET')).status).toBe(403);
      expect((await ask('/api/v1/gc/runs', undefined, 'GET')).status).toBe(401);
    } finally {
      await database.drop();
    }
  });
});

describe('GET /api/v1/gc/explain', () => {
  test('says to administrators why a tag goes or stays, in snake case', async () => {
    const registry = registryWithTags();
    const ask = await serve(gcOf(registry));
    const { status, body } = await ask('/api/v1/gc/explain?reference=acme/app:old', 'admin', 'GET');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      explained_at: '2024-01-02T00:00:00.000Z',
      tags: [
        {
          repository: 'app',
          upstream: UPSTREAM,
          reference: 'old',
          state: 'past_staleness',
          age_s: 86_400,
          staleness_period_s: 100,
          pinned: false,
          hold: 'free',
          verdict: { action: 'expire', reason: 'lapsed' },
        },
      ],
      links_total: 0,
    });
    const content = await ask(`/api/v1/gc/explain?reference=${body.tags[0].digest}`, 'admin', 'GET');
    expect(content.body.links).toMatchObject([
      {
        lease_left_s: 0,
        referenced_by: { total: 2, cached_tags: [{ reference: 'old' }, { reference: 'pinned' }] },
        verdict: { action: 'keep', reason: 'tagged' },
      },
    ]);
  });

  test('says what is not there, what is no reference, and who may not ask', async () => {
    const ask = await serve(gcOf(registryWithTags()));
    const get = (reference: string, user?: string) => ask(`/api/v1/gc/explain?reference=${reference}`, user, 'GET');
    expect(await get('acme/app:gone', 'admin')).toMatchObject({ status: 404, body: { error_type: 'not_found' } });
    expect(await get('gone', 'admin')).toMatchObject({ status: 400, body: { error_type: 'invalid_request' } });
    expect((await ask('/api/v1/gc/explain', 'admin', 'GET')).status).toBe(400);
    expect((await get('acme/app:old', 'alice')).status).toBe(403);
    expect((await get('acme/app:old')).status).toBe(401);
  });
});

describe('POST /api/v1/gc/run', () => {
  test('answers an administrator with the report, in snake case', async () => {
    const registry = registryWithTags();
    const post = await serve(gcOf(registry));
    const { status, headers, body } = await post('/api/v1/gc/run', 'admin');
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      run_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      dry_run: false,
      outcome: 'done',
      started_at: '2024-01-02T00:00:00.000Z',
      expired_total: 1,
      expired: [
        {
          organization: 'acme',
          repository: 'app',
          upstream: UPSTREAM,
          reference: 'old',
          reason: 'lapsed',
          confirmed_at: '2024-01-01T00:00:00.000Z',
          staleness_period_s: 100,
        },
      ],
      kept: { pinned: 1 },
      kept_tags: [],
      held: [],
      freed: { manifests: 0, blobs: 0, bytes: 0 },
    });
    expect(body.steps[0]).toMatchObject({ name: 'expire_tags', ms: 0, examined: 2, expired: 1, kept: 1 });
    expect(registry.cachedTags.size).toBe(1);
  });

  test('with dry_run=true only says what would go, and why the rest stays', async () => {
    const registry = registryWithTags();
    const post = await serve(gcOf(registry));
    const { status, body } = await post('/api/v1/gc/run?dry_run=true', 'admin');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      dry_run: true,
      expired_total: 1,
      kept_tags: [{ reference: 'pinned', reason: 'pinned', expiration_s: 60 }],
    });
    expect(registry.removals).toEqual([]);
  });

  test('says since when an upstream holds tags back', async () => {
    const registry = registryWithTags();
    const now = registry.clock.now();
    registry.upstream.condition = { down: true, downSince: now - 60_000, lastHeardAt: now };
    const post = await serve(gcOf(registry));
    const { body } = await post('/api/v1/gc/run', 'admin');
    expect(body.held).toEqual([
      { organization: 'acme', upstream: UPSTREAM, down_since: '2024-01-01T23:59:00.000Z', tags: 1 },
    ]);
  });

  test.each([
    ['nobody', undefined, 401, 'invalid_token', 'Requires authentication'],
    ['wrong credentials', 'wrong', 401, 'invalid_token', 'Requires authentication'],
    ['somebody else', 'alice', 403, 'insufficient_scope', 'Unauthorized'],
  ])('refuses %s in the shape of Quay, and does nothing', async (_who, user, status, type, title) => {
    const registry = registryWithTags();
    const post = await serve(gcOf(registry));
    const answer = await post('/api/v1/gc/run', user);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Basic realm="test"' : null);
    expect(answer.body).toEqual({
      detail: title,
      error_message: title,
      error_type: type,
      title: type,
      type: `/api/v1/error/${type}`,
      status,
    });
    expect(registry.removals).toEqual([]);
  });

  test('refuses a dry_run that is neither true nor false, rather than delete by a slip', async () => {
    const registry = registryWithTags();
    const post = await serve(gcOf(registry));
    for (const query of ['dry_run=yes', 'dry_run', 'dry_run=true&dry_run=false']) {
      const answer = await post(`/api/v1/gc/run?${query}`, 'admin');
      expect(answer).toMatchObject({ status: 400, body: { error_type: 'invalid_request' } });
    }
    expect(registry.removals).toEqual([]);
  });

  test('answers 409 while a run is in flight, and 503 after stop()', async () => {
    const registry = registryWithTags();
    let release = () => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    registry.before.list = () => waiting;
    const gc = gcOf(registry);
    const post = await serve(gc);
    const first = gc.runOnce();
    const answer = await post('/api/v1/gc/run', 'admin');
    expect(answer).toMatchObject({ status: 409, body: { error_type: 'gc_running', status: 409 } });
    release();
    await first;
    await gc.stop();
    expect(await post('/api/v1/gc/run', 'admin')).toMatchObject({
      status: 503,
      body: { error_type: 'gc_unavailable' },
    });
  });

  test('leaves every other request to the host', async () => {
    const registry = registryWithTags();
    const post = await serve(gcOf(registry));
    const read = await post('/api/v1/gc/run', 'admin', 'GET');
    expect([read.status, read.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await post('/api/v1/gc/other', 'admin')).status).toBe(404);
    expect(registry.removals).toEqual([]);
  });
});
