import type { ProxyCacheSettings } from '@breakwater/registry-core';
import {
  type BuiltContent,
  type FaultUpstream,
  type FaultUpstreamOptions,
  startFaultUpstream,
} from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { startCluster, type TestCluster } from './cluster.js';
import { closeQuietly, settingsFor } from './upstream-client.js';

/** The cluster of a test file. What a test starts in it ends with the test, the caches before their upstreams; a database that is away comes back. */
export interface ClusterOfFile extends Omit<TestCluster, 'stop'> {
  /** An upstream that has the content as `app:v1`; the organization of the tests proxies the one that was started last. */
  startUpstream(content?: BuiltContent, options?: FaultUpstreamOptions): Promise<FaultUpstream>;
  /** `settingsFor` the upstream that was started last, but for the changes. */
  proxy(changes?: Partial<ProxyCacheSettings>): void;
}

/** To be called where the tests of a file are described: one cluster for all of them. */
export function useCluster(): ClusterOfFile {
  let started: TestCluster | undefined;
  const upstreams: FaultUpstream[] = [];
  const caches: { stop(): Promise<void> }[] = [];
  const cluster = (): TestCluster => {
    if (started === undefined) throw new Error('the cluster is there in hooks and tests only');
    return started;
  };
  const use: ClusterOfFile = {
    get database() {
      return cluster().database;
    },
    get clock() {
      return cluster().clock;
    },
    get settings() {
      return cluster().settings;
    },
    configure: (...settings) => cluster().configure(...settings),
    async startCache(options) {
      const cache = await cluster().startCache(options);
      caches.push(cache);
      return cache;
    },
    loseDatabase: () => cluster().loseDatabase(),
    returnDatabase: () => cluster().returnDatabase(),
    async startUpstream(content, options) {
      const upstream = await startFaultUpstream(options);
      upstreams.push(upstream);
      if (content !== undefined) upstream.add('app', 'v1', content);
      use.proxy();
      return upstream;
    },
    proxy(changes) {
      const upstream = upstreams.at(-1);
      if (upstream === undefined) throw new Error('start an upstream first');
      cluster().configure(settingsFor(upstream.host, changes));
    },
  };
  beforeAll(async () => {
    started = await startCluster();
  });
  afterEach(async () => {
    for (const cache of caches.splice(0)) await cache.stop();
    for (const upstream of upstreams.splice(0)) await closeQuietly(upstream);
    await started?.returnDatabase();
  });
  afterAll(() => started?.stop());
  return use;
}
