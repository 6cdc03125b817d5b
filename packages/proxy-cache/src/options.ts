import {
  type Access,
  type BlobStore,
  type Clock,
  InProcessMessages,
  type KeyValueStore,
  LARGEST_MANIFEST_BYTES,
  type Logger,
  MAX_MANIFEST_BYTES,
  type ManifestStore,
  type Messages,
  type ProxyCacheSettingsReader,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { DEFAULT_DOWNLOAD_LIMITS, type DownloadLimits } from './blobs/download-slots.js';
import { DEFAULT_SPOOL_CALLS, type SpoolCallLimits } from './blobs/gated-spool-disk.js';
import { nodeSpoolDisk, type SpoolDisk } from './blobs/spool-disk.js';
import { DEFAULT_REFUSAL_LIMITS, type RefusalLimits } from './http/refusal-budget.js';
import type { AuditLog, ContentFootprint, Lookup, RetentionHolds, StorageQuota } from './ports.js';
import { DEFAULT_DEADLINES, type Deadlines } from './upstream/deadlines.js';
import type { KnownRealm } from './upstream/realm.js';
import { systemLookup } from './upstream/resolver.js';

/** What a host gives a proxy cache. */
export interface ProxyCacheOptions {
  /** Postgres with the tables of `proxyCacheMigrations`. The host owns the pool. */
  readonly knex: Knex;
  /** The settings of a proxy organization, else `undefined`; the same object while nothing changes. */
  readonly settings: ProxyCacheSettingsReader;
  /** The host's authentication and authorization. */
  readonly access: Access;
  /** Where the host keeps manifests; the cache stores into it and reads from it. */
  readonly manifests: ManifestStore;
  /** Where the host keeps blobs. */
  readonly blobs: BlobStore;
  /** Directory for blobs that are on their way. On the same file system as the blobs, importing is a rename. */
  readonly spoolDirectory: string;
  /** The file system that the spool is on. Default the machine's own. */
  readonly spoolDisk?: SpoolDisk;
  /** How much of the thread pool the spool takes; what is not given is as in `DEFAULT_SPOOL_CALLS`. */
  readonly spoolCalls?: Partial<SpoolCallLimits>;
  /** Whose time all ages and windows are measured in; `systemClock` will do for one process. */
  readonly clock: Clock;
  /** Where failures are told that no client hears of; pino fits. */
  readonly logger: Logger;
  /** What the address guard lets through beside global addresses: `host`, `host:port`, or a block. Default none. */
  readonly allowedHosts?: readonly string[];
  /** Resolves upstream names; default as the system does. */
  readonly lookup?: Lookup;
  /**
   * `http://[user:password@]host:port` of an HTTP proxy that opens every connection to upstreams with CONNECT. It is trusted
   * to resolve names; none of its own addresses is judged.
   */
  readonly upstreamProxyUrl?: string;
  /**
   * Token servers that may be shown the credentials of a registry although they stand under another domain (S5), both by the
   * names of their hosts as they are dialled. Default none; that of Docker Hub is known.
   */
  readonly realms?: readonly KnownRealm[];
  /** How long upstreams may take; what is not given is as in `DEFAULT_DEADLINES`. */
  readonly deadlines?: Partial<Deadlines>;
  /** How many downloads run at a time, and how their processes share them; what is not given is as in `DEFAULT_DOWNLOAD_LIMITS`. */
  readonly downloads?: Partial<DownloadLimits>;
  /** Largest manifest in bytes, at most `LARGEST_MANIFEST_BYTES`. Default `MAX_MANIFEST_BYTES`. */
  readonly maxManifestBytes?: number;
  /** How often a client may ask for what the upstream refuses, with `burst` 0 without end; what is not given is as in `DEFAULT_REFUSAL_LIMITS`. */
  readonly refusals?: Partial<RefusalLimits>;
  /** Where tokens of upstreams are shared with other processes; without it each process fetches its own. */
  readonly sharedTokens?: KeyValueStore;
  /** Tells other processes of tags that moved, so that they need not wait for their next look. Default in process. */
  readonly messages?: Messages;
  /** Says what a purge would free; without it previews do not. */
  readonly footprint?: ContentFootprint;
  /** Who says whether there is room in the quota of an organization; without it everything is stored. */
  readonly quota?: StorageQuota;
  /** Who knows what garbage collection holds back; without it the health of an organization does not tell. */
  readonly holds?: RetentionHolds;
  /** Where pins and purges are written down; default nowhere. */
  readonly audit?: AuditLog;
  /** How often memory follows Postgres and due checks are looked for, in milliseconds. Default 1,000. */
  readonly tickMs?: number;
  /** How often noted uses are written, in milliseconds. Default 5,000. */
  readonly flushMs?: number;
}

/** Options with nothing left open. */
export type ResolvedOptions = Required<
  Omit<
    ProxyCacheOptions,
    | 'deadlines'
    | 'downloads'
    | 'footprint'
    | 'holds'
    | 'quota'
    | 'refusals'
    | 'sharedTokens'
    | 'spoolCalls'
    | 'upstreamProxyUrl'
  >
> & {
  readonly upstreamProxyUrl?: string;
  readonly sharedTokens?: KeyValueStore;
  readonly footprint?: ContentFootprint;
  readonly quota?: StorageQuota;
  readonly holds?: RetentionHolds;
  readonly deadlines: Deadlines;
  readonly downloads: DownloadLimits;
  readonly refusals: RefusalLimits;
  readonly spoolCalls: SpoolCallLimits;
};

/** @throws RangeError naming the option that cannot be */
export function resolveOptions(options: ProxyCacheOptions): ResolvedOptions {
  const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
  const downloads = { ...DEFAULT_DOWNLOAD_LIMITS, ...options.downloads };
  const spoolCalls = { ...DEFAULT_SPOOL_CALLS, ...options.spoolCalls };
  const refusals = { ...DEFAULT_REFUSAL_LIMITS, ...options.refusals };
  const resolved = {
    ...options,
    deadlines,
    downloads,
    refusals,
    spoolCalls,
    maxManifestBytes: options.maxManifestBytes ?? MAX_MANIFEST_BYTES,
    allowedHosts: options.allowedHosts ?? [],
    realms: options.realms ?? [],
    spoolDisk: options.spoolDisk ?? nodeSpoolDisk,
    lookup: options.lookup ?? systemLookup,
    messages: options.messages ?? new InProcessMessages(),
    audit: options.audit ?? { record: async () => undefined },
    tickMs: options.tickMs ?? 1_000,
    flushMs: options.flushMs ?? 5_000,
  };
  for (const [name, value] of Object.entries({ ...deadlines, tickMs: resolved.tickMs, flushMs: resolved.flushMs })) {
    if (!Number.isFinite(value) || value <= 0) throw new RangeError(`${name} must be a number of milliseconds above 0`);
  }
  for (const [name, value] of Object.entries(downloads)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a whole number above 0`);
  }
  if (!Number.isSafeInteger(spoolCalls.atOnce) || spoolCalls.atOnce < 2 || !(spoolCalls.longestMs > 0)) {
    throw new RangeError('spoolCalls must be at least 2 at once, for a number of milliseconds above 0');
  }
  for (const [name, value] of Object.entries(refusals)) {
    const isOff = name === 'burst' && value === 0;
    if (!isOff && !(Number.isFinite(value) && value > 0)) throw new RangeError(`${name} must be a number above 0`);
  }
  const { maxManifestBytes } = resolved;
  if (!Number.isSafeInteger(maxManifestBytes) || maxManifestBytes < 1 || maxManifestBytes > LARGEST_MANIFEST_BYTES) {
    throw new RangeError(`maxManifestBytes must be a whole number from 1 to ${LARGEST_MANIFEST_BYTES}`);
  }
  return resolved;
}
