import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Access,
  type BlobStore,
  type LogFields,
  type Logger,
  type ManifestStore,
  type ProxyCacheSettings,
  RegistryError,
} from '@breakwater/registry-core';
import {
  createTestDatabase,
  MemoryBlobStore,
  MemoryManifestStore,
  type MovableClock,
  movableClock,
  openPool,
  type RawAnswer,
  type RawRequestOptions,
  rawGet,
  type TestDatabase,
} from '@breakwater/test-kit';
import type { Knex } from 'knex';
import {
  createProxyCache,
  type ProxyCache,
  type ProxyCacheEventName,
  type ProxyCacheOptions,
  proxyCacheMigrations,
} from '../../src/index.js';

/** `Authorization: Bearer <name>`: `nobody` may do nothing, `wrong` is refused, without a name one is anonymous. */
export const access: Access = {
  async authenticate(request) {
    const name = request.headers.authorization?.replace('Bearer ', '');
    if (name === 'wrong') throw new RegistryError('UNAUTHORIZED');
    return name === undefined ? undefined : { name };
  },
  async authorize(principal, _action, { organization }) {
    return principal?.name !== 'nobody' && (organization !== 'private' || principal !== undefined);
  },
  challenge: () => 'Basic realm="test"',
};

/** One process of a cluster: a proxy cache behind an HTTP server, with stores that the others do not share. */
export interface TestCache {
  readonly cache: ProxyCache;
  readonly knex: Knex;
  readonly base: string;
  readonly events: readonly { readonly name: ProxyCacheEventName; readonly payload: Record<string, unknown> }[];
  readonly lines: readonly { readonly level: string; readonly message: string; readonly fields: LogFields }[];
  /** What the host's own handlers saw. */
  readonly passedOn: readonly string[];
  told(name: ProxyCacheEventName): Record<string, unknown>[];
  get(path: string, options?: RawRequestOptions): Promise<RawAnswer>;
  spooled(): Promise<readonly string[]>;
  spooledBytes(): Promise<number>;
  stop(): Promise<void>;
}

export interface TestCacheOptions extends Partial<Omit<ProxyCacheOptions, 'knex' | 'settings' | 'clock'>> {
  /** Whether timers run; without them nothing happens behind a test's back. */
  readonly ticking?: boolean;
  readonly started?: boolean;
}

/** A database, a clock and settings, and caches that share them. */
export interface TestCluster {
  readonly database: TestDatabase;
  readonly clock: MovableClock;
  readonly settings: Map<string, ProxyCacheSettings>;
  configure(...settings: readonly ProxyCacheSettings[]): void;
  startCache(options?: TestCacheOptions): Promise<TestCache>;
  /** Takes the database away from all of them, until it is given back. */
  loseDatabase(): Promise<void>;
  returnDatabase(): Promise<void>;
  stop(): Promise<void>;
}

const HOURS_MS = 3_600_000;

export async function startCluster(): Promise<TestCluster> {
  const database = await createTestDatabase({ migrations: [proxyCacheMigrations()] });
  const clock = movableClock();
  const settings = new Map<string, ProxyCacheSettings>();
  const caches = new Set<TestCache>();
  let bringUp: (() => Promise<void>) | undefined;
  return {
    database,
    clock,
    settings,
    configure(...all) {
      for (const each of all) settings.set(each.organization, each);
    },
    async startCache({ ticking = false, started = true, ...options } = {}) {
      const knex = openPool(database.connection);
      const spoolDirectory = options.spoolDirectory ?? (await mkdtemp(join(tmpdir(), 'breakwater-spool-')));
      const lines: { level: string; message: string; fields: LogFields }[] = [];
      const log = (level: string) => (fields: LogFields, message: string) =>
        void lines.push({ level, message, fields });
      const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
      const cache = createProxyCache({
        access,
        manifests: new MemoryManifestStore() satisfies ManifestStore,
        blobs: new MemoryBlobStore() satisfies BlobStore,
        logger,
        allowedHosts: ['127.0.0.0/8'],
        tickMs: ticking ? 100 : HOURS_MS,
        flushMs: HOURS_MS,
        ...options,
        knex,
        clock,
        spoolDirectory,
        settings: { find: async (organization) => settings.get(organization) },
      });
      const events: { name: ProxyCacheEventName; payload: Record<string, unknown> }[] = [];
      const names: readonly ProxyCacheEventName[] = [
        'pull',
        'shielded-pull',
        'masked-error',
        'passed-error',
        'upstream-request',
        'upstream-down',
        'upstream-recovered',
        'rate-limited',
        'integrity-failure',
        'head-get-mismatch',
      ];
      for (const name of names) {
        cache.events.on(
          name,
          (payload: object) => void events.push({ name, payload: payload as Record<string, unknown> }),
        );
      }
      if (started) await cache.start();
      const passedOn: string[] = [];
      const handle = cache.middleware();
      const server = createServer((request: IncomingMessage, response: ServerResponse) =>
        handle(request, response, () => {
          passedOn.push(request.url ?? '');
          response.writeHead(418).end();
        }),
      );
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const spooled = async () => {
        const names = await readdir(spoolDirectory).catch(() => []);
        return names.filter((name) => !name.startsWith('.'));
      };
      const running: TestCache = {
        cache,
        knex,
        base,
        events,
        lines,
        passedOn,
        told: (name) => events.filter((event) => event.name === name).map(({ payload }) => payload),
        get: (path, requested) => rawGet(`${base}${path}`, requested),
        spooled,
        async spooledBytes() {
          const sizes = (await spooled()).map((name) => stat(join(spoolDirectory, name)).then(({ size }) => size));
          return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
        },
        async stop() {
          if (!caches.delete(running)) return;
          server.closeAllConnections();
          await new Promise((closed) => server.close(closed));
          await cache.close();
          await knex.destroy();
          if (options.spoolDirectory === undefined) await rm(spoolDirectory, { recursive: true, force: true });
        },
      };
      caches.add(running);
      return running;
    },
    async loseDatabase() {
      bringUp = await database.takeDown();
    },
    async returnDatabase() {
      await bringUp?.();
      bringUp = undefined;
    },
    async stop() {
      for (const cache of [...caches]) await cache.stop();
      await database.drop();
    },
  };
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(10)) {
    if (await holds()) return;
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`);
}

/** The error of an answer. */
export function errorOf(answer: RawAnswer): { code: string; message: string; detail?: Record<string, unknown> } {
  return JSON.parse(answer.bytes.toString()).errors[0];
}
