import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Clock,
  MAX_MANIFEST_BYTES,
  type OrganizationName,
  type ProxyCacheSettings,
  type RepositoryName,
} from '@breakwater/registry-core';
import { type FaultUpstream, repositoryOf } from '@breakwater/test-kit';
import type { Lookup } from '../../src/ports.js';
import { DEFAULT_DEADLINES, type Deadlines } from '../../src/upstream/deadlines.js';
import { systemLookup } from '../../src/upstream/resolver.js';
import { UpstreamClient } from '../../src/upstream/upstream-client.js';

export const ORGANIZATION: OrganizationName = repositoryOf('acme/x').organization;

/** The name of a repository. */
export function nameOf(text: string): RepositoryName {
  return repositoryOf(`acme/${text}`).name;
}

/**
 * Settings of a proxy organization: a day of staleness, an hour between checks, plain http; nothing is fetched behind a
 * pull, so that the requests which an upstream counts are the test's own.
 */
export function settingsFor(upstream: string, changes: Partial<ProxyCacheSettings> = {}): ProxyCacheSettings {
  return {
    organization: ORGANIZATION,
    upstream,
    insecure: true,
    credentialVersion: 1,
    stalenessPeriodS: 86_400,
    checkIntervalS: 3_600,
    expirationS: 0,
    serveWhenRemoved: true,
    serveWhenDenied: true,
    anonymousPull: true,
    prefetch: 'off',
    prefetchMaxBytes: 1024 ** 3,
    ...changes,
  };
}

export interface TestClientOptions {
  readonly maxManifestBytes?: number;
  readonly clock?: Clock;
  readonly deadlines?: Partial<Deadlines>;
  readonly allowedHosts?: readonly string[];
  readonly lookup?: Lookup;
  readonly upstreamProxyUrl?: string;
}

/** An upstream client that may dial loopback, unless told. */
export function testClient(options: TestClientOptions = {}): UpstreamClient {
  return new UpstreamClient({
    clock: options.clock ?? { now: () => Date.now() },
    deadlines: { ...DEFAULT_DEADLINES, ...options.deadlines },
    allowedHosts: options.allowedHosts ?? ['127.0.0.0/8'],
    lookup: options.lookup ?? systemLookup,
    maxManifestBytes: options.maxManifestBytes ?? MAX_MANIFEST_BYTES,
    ...(options.upstreamProxyUrl === undefined ? {} : { upstreamProxyUrl: options.upstreamProxyUrl }),
  });
}

/** A signal that ends in a while. */
export function soon(ms = 5_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

/** What a promise fails with; a fulfilled one fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error('it did not fail');
}

/** Everything that hangs on an error, as a careless logger would print it. */
export function everythingIn(error: unknown): string {
  const seen = new Set<unknown>();
  const parts: string[] = [];
  const visit = (value: unknown, depth: number) => {
    if (typeof value === 'string') parts.push(value);
    if (typeof value !== 'object' || value === null || seen.has(value) || depth > 12) return;
    seen.add(value);
    for (const key of [...Object.getOwnPropertyNames(value), ...Object.getOwnPropertySymbols(value)]) {
      parts.push(String(key));
      try {
        visit((value as Record<PropertyKey, unknown>)[key], depth + 1);
      } catch {
        // A getter that throws shows nothing.
      }
    }
  };
  visit(error, 0);
  return parts.join('\n');
}

/** The `Authorization` headers that an upstream was shown, by server. */
export function shown(upstream: FaultUpstream): string[] {
  return upstream.requests.map(({ server, headers }) => `${server} ${headers.authorization?.split(' ')[0] ?? '-'}`);
}

/** Ends an upstream once its clients are gone: a socket that is reset in the middle of its own end never closes. */
export async function closeQuietly(upstream: FaultUpstream): Promise<void> {
  for (let waited = 0; upstream.openSockets > 0 && waited < 1_000; waited += 10) await sleep(10);
  await upstream.close();
}
