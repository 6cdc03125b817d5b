import { hkdfSync, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createGc, type Gc } from '@breakwater/gc';
import { createOrgSettings, type OrgSettings } from '@breakwater/org-settings';
import {
  createProxyCache,
  type Deadlines,
  type Lookup,
  type ProxyCache,
  type ProxyCacheOptions,
  type SpoolDisk,
} from '@breakwater/proxy-cache';
import type { Clock, Logger, OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { AccessChanges } from './access/access-changes.js';
import { ApiTokens } from './access/api-tokens.js';
import { createAccess } from './access/create-access.js';
import { CredentialVerifier } from './access/credential-verifier.js';
import { RememberedRoles } from './access/remembered-roles.js';
import { withRobotRoles, withRobots } from './access/robots.js';
import { Sessions } from './access/sessions.js';
import { hostApi } from './api/host-api.js';
import { ConnectionLimits } from './app/connection-limits.js';
import { createApp } from './app/create-app.js';
import { SERVER_OPTIONS } from './app/server-options.js';
import { SlowClients } from './app/slow-clients.js';
import { PostgresClock } from './clock/postgres-clock.js';
import type { Config } from './config/read-config.js';
import { loadOrCreateSecret, SecretFileError } from './config/secret-file.js';
import { parseSecretKey } from './config/secret-key.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres/index.js';
import { CollectionCaution } from './lifecycle/collection-caution.js';
import { type DrainPeriods, drain } from './lifecycle/drain.js';
import { LogRetention } from './lifecycle/log-retention.js';
import { migrate } from './lifecycle/migrate.js';
import { ADMINISTRATOR, seedAdministrator, seedOrganizations, withdrawSeededAnonymousPull } from './lifecycle/seeds.js';
import { addClockMetrics } from './observe/clock-metrics.js';
import { addConnectionMetrics } from './observe/connection-metrics.js';
import { logEvents } from './observe/log-events.js';
import { createMetrics } from './observe/metrics.js';
import { addRedisMetrics } from './observe/redis-metrics.js';
import { AccountChanges } from './postgres/account-changes.js';
import { openDatabase } from './postgres/database.js';
import { PostgresAccountLog } from './postgres/postgres-account-log.js';
import { PostgresApiTokens } from './postgres/postgres-api-tokens.js';
import { PostgresBlobRows } from './postgres/postgres-blob-rows.js';
import { PostgresContentFootprint } from './postgres/postgres-content-footprint.js';
import { PostgresContentSweep } from './postgres/postgres-content-sweep.js';
import { PostgresContentUsage } from './postgres/postgres-content-usage.js';
import { PostgresContentUse } from './postgres/postgres-content-use.js';
import { PostgresDamageList } from './postgres/postgres-damage-list.js';
import { PostgresHostedContent } from './postgres/postgres-hosted-content.js';
import { PostgresManifestCensus } from './postgres/postgres-manifest-census.js';
import { PostgresManifestDamages } from './postgres/postgres-manifest-damages.js';
import { PostgresManifestStore } from './postgres/postgres-manifest-store.js';
import { PostgresMembers } from './postgres/postgres-members.js';
import { PostgresOrganizations } from './postgres/postgres-organizations.js';
import { PostgresRobots } from './postgres/postgres-robots.js';
import { PostgresSessions } from './postgres/postgres-sessions.js';
import { PostgresStorageTasks } from './postgres/postgres-storage-tasks.js';
import { PostgresStoredContent } from './postgres/postgres-stored-content.js';
import { PostgresTagStore } from './postgres/postgres-tag-store.js';
import { PostgresUnlinkedManifests } from './postgres/postgres-unlinked-manifests.js';
import { PostgresUploadRows } from './postgres/postgres-upload-rows.js';
import { PostgresUsers } from './postgres/postgres-users.js';
import { openSharedState, type SharedState } from './shared-state.js';
import type { FileReads, FileSystem } from './storage/file-system.js';
import { createFilesystemContent } from './storage/filesystem-content.js';
import type { StorageEvents } from './storage/storage-events.js';
import { StorageUpkeep } from './storage/storage-upkeep.js';
import { RegistryTokens } from './tokens/registry-tokens.js';
import { TokenBearers } from './tokens/token-bearers.js';
import { tokenEndpoint } from './tokens/token-endpoint.js';
import { BlobUploads } from './uploads/blob-uploads.js';
import { UploadFiles } from './uploads/upload-files.js';
import { NameResolver } from './ways-in/name-resolver.js';
import { waysIn } from './ways-in/ways-in.js';

/**
 * Of the sixteen threads that `npm start` gives the pool; reads of stored blobs take eight, changes of the store three.
 * One is left for names and passwords when no disk answers.
 */
const SPOOL_CALLS_AT_ONCE = 4;

/** The file system, as the parts that keep content use it; what is not given is the machine's. */
export interface Disk {
  readonly fileSystem?: FileSystem;
  readonly fileReads?: FileReads;
  readonly spool?: SpoolDisk;
  /** How long one call is waited for, ms. Default 15 seconds for the store, 5 for the spool. */
  readonly longestCallMs?: number;
}

/** What a registry is started with. Everything but the first two is for tests and for hosts with ideas of their own. */
export interface RegistryOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Default: Postgres's time. */
  readonly clock?: Clock;
  /** How upstream names are resolved; default as the system does. */
  readonly lookup?: Lookup;
  readonly deadlines?: Partial<Deadlines>;
  /** Default the machine's own. */
  readonly disk?: Disk;
  /** How many downloads run at a time, and how long their leases hold. */
  readonly downloads?: ProxyCacheOptions['downloads'];
  /** How often it is looked what others have changed, and uses are written, ms. */
  readonly periods?: Pick<ProxyCacheOptions, 'tickMs' | 'flushMs'>;
  /** Connection to a database other than the configured one. */
  readonly connection?: Knex.PgConnectionConfig;
}

/** A registry that listens. */
export interface Registry {
  /** `http://host:port` as it listens. */
  readonly url: string;
  /** Resolves once clients are served; rejects when they never can be. */
  readonly ready: Promise<RegistryFacts>;
  readonly gc: Gc;
  readonly proxyCache: ProxyCache;
  /** Ends it: at once by default, with `DRAIN` as an orderly shutdown. */
  close(periods?: DrainPeriods): Promise<void>;
}

/** What is worth telling whoever started it. */
export interface RegistryFacts {
  /** File with the administrator's generated password; `undefined` when the operator chose it. */
  readonly passwordFile: string | undefined;
}

const AT_ONCE: DrainPeriods = { acceptMs: 0, finishMs: 0 };
const RETRY_DATABASE_MS = 1_000;
/** An upload that nobody has touched for so long is dropped. */
const STALE_UPLOAD_MS = 24 * 60 * 60_000;
const MIB = 1024 * 1024;

/**
 * Starts the registry: it listens at once, says that it is not ready, and serves as soon as the database is there.
 *
 * @throws EmbeddedPostgresError, SecretFileError, or node's own error when the address cannot be listened on
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { config, logger } = options;
  const secretKey = await readSecretKey(config);
  const embedded = await startDatabase(options);
  const database = openDatabase({ ...databaseAddress(options, embedded), logger });
  try {
    const parts = assemble(options, database, secretKey);
    const server = await listen(config, parts).catch((error: unknown) => {
      parts.shared.close();
      throw error;
    });
    const lifetime = new AbortController();
    const ready = prepare(options, database, parts, lifetime.signal);
    // Whoever awaits it hears of it; nobody has to.
    ready.catch(() => undefined);
    return {
      url: urlOf(server),
      ready,
      gc: parts.gc,
      proxyCache: parts.proxyCache,
      async close(periods = AT_ONCE) {
        parts.setStage('ending');
        lifetime.abort();
        await drain(server, periods);
        await ready.catch(() => undefined);
        await closeParts(parts);
        await database.destroy();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await database.destroy();
    await embedded?.stop();
    throw error;
  }
}

/** Where the secret key is that is generated when the operator sets none. */
export function secretKeyFile({ dataDir }: Config): string {
  return join(dataDir, 'secret-key');
}

/** Where the data of the embedded Postgres is. */
export function embeddedDataDirectory({ dataDir }: Config): string {
  return join(dataDir, 'postgres');
}

/** The configured secret key, else the generated one. @throws SecretFileError */
export async function readSecretKey(config: Config): Promise<Uint8Array> {
  if (config.secretKey !== undefined) return config.secretKey.bytes;
  const file = secretKeyFile(config);
  const { secret } = await loadOrCreateSecret(file, () => randomBytes(32).toString('base64'));
  const key = parseSecretKey(secret);
  if (key === undefined) throw new SecretFileError(`${file} does not hold a secret key; put the right one back`);
  return key.bytes;
}

/** The key for one purpose: of 32 bytes, however long the secret is. */
function purposeKey(secretKey: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secretKey, '', purpose, 32));
}

async function startDatabase({ config, connection, logger }: RegistryOptions): Promise<EmbeddedPostgres | undefined> {
  if (connection !== undefined || config.databaseUrl !== undefined) return undefined;
  return startEmbeddedPostgres({ dataDirectory: embeddedDataDirectory(config), logger });
}

function databaseAddress(
  { config, connection }: RegistryOptions,
  embedded: EmbeddedPostgres | undefined,
): { readonly url: string } | { readonly connection: Knex.PgConnectionConfig } {
  if (connection !== undefined) return { connection };
  if (embedded !== undefined) return { connection: { ...embedded.connection } };
  if (config.databaseUrl === undefined) throw new Error('there is no database to connect to');
  return { url: config.databaseUrl };
}

/** What a registry is doing. While it ends it still serves, but should not be sent anybody. */
type Stage = 'starting' | 'serving' | 'ending';

/** Everything that a registry is made of, before any of it has begun to work. */
export interface Parts {
  readonly handler: ReturnType<typeof createApp>;
  readonly connections: ConnectionLimits;
  readonly slowClients: SlowClients;
  readonly logRetention: LogRetention;
  readonly proxyCache: ProxyCache;
  readonly orgSettings: OrgSettings;
  readonly gc: Gc;
  readonly clock: Clock;
  readonly postgresClock: PostgresClock | undefined;
  readonly accessChanges: AccessChanges;
  readonly shared: SharedState;
  readonly users: PostgresUsers;
  readonly organizations: PostgresOrganizations;
  readonly upkeep: StorageUpkeep;
  setStage(stage: Stage): void;
}

/** The wiring. Here the compiler proves that what one package needs of another is what the other has. */
export function assemble(options: RegistryOptions, database: Knex, secretKey: Uint8Array): Parts {
  const { config, logger, lookup, deadlines, downloads, periods, disk = {} } = options;
  const caution = new CollectionCaution({ now: () => performance.now() });
  let clockJumps = 0;
  const onJump = () => {
    clockJumps += 1;
    caution.clockJumped();
  };
  const postgresClock = options.clock === undefined ? new PostgresClock(database, logger, onJump) : undefined;
  const clock = options.clock ?? (postgresClock as PostgresClock);
  const shared = openSharedState({ redisUrl: config.redisUrl, secretKey, clock, logger });
  const users = new PostgresUsers({ database, clock });
  const organizations = new PostgresOrganizations({ database, clock });
  const storageEvents = new EventEmitter<StorageEvents>();
  const manifestDamages = new PostgresManifestDamages({ database, clock, events: storageEvents, logger });
  const manifests = new PostgresManifestStore({ database, clock, damages: manifestDamages });
  const tags = new PostgresTagStore({ database });
  const blobRows = new PostgresBlobRows({ database, clock });
  const damages = new PostgresDamageList({ database });
  const content = createFilesystemContent({
    url: config.storageUrl,
    rows: blobRows,
    manifests: new PostgresUnlinkedManifests({ database }),
    damages,
    audit: { intend: (deletions) => gc.audit.intend(deletions) },
    quarantineMs: config.quarantineS * 1000,
    clock,
    logger,
    events: storageEvents,
    ...(disk.fileSystem === undefined ? {} : { fileSystem: disk.fileSystem }),
    ...(disk.longestCallMs === undefined ? {} : { longestCallMs: disk.longestCallMs }),
    ...(disk.fileReads === undefined ? {} : { fileReads: disk.fileReads }),
  });
  const storageTasks = new PostgresStorageTasks({ database, clock });
  const upkeep = new StorageUpkeep({
    files: content.files,
    mark: content.mark,
    blobs: blobRows,
    manifests: new PostgresManifestCensus({ database }),
    manifestDamages,
    tasks: storageTasks,
    events: storageEvents,
    clock,
    monotonic: { now: () => performance.now() },
    logger,
    rate: config.scrubRateMibS * MIB,
    intervalMs: config.scrubIntervalS * 1000,
    reconcile: (onBatch) => content.reconcile(onBatch),
    previewReconcile: (onBatch) => content.previewReconcile(onBatch),
  });

  const uploads = new BlobUploads({
    rows: new PostgresUploadRows({ database, clock }),
    files: new UploadFiles(join(fileURLToPath(config.storageUrl), 'uploads')),
    blobs: content.blobs,
    clock,
  });

  // org-settings asks proxy-cache about upstreams, proxy-cache asks org-settings about organizations: each gets the other
  // through a function that is called only when both are there.
  const orgSettings: OrgSettings = createOrgSettings({
    knex: database,
    clock,
    logger,
    access: {
      authenticate: (request) => access.authenticate(request),
      authorize: (principal, action, target) => access.authorize(principal, action, target),
      challenge: (request) => access.challenge(request),
    },
    organizations: { exists: async (name) => organizations.exists(name as OrganizationName) },
    probe: {
      validate: (candidate) => proxyCache.probe.validate(candidate),
      test: (candidate, sample) => proxyCache.probe.test(candidate, sample),
      isAllowed: (address, insecure) => proxyCache.probe.isAllowed(address, insecure),
    },
    secretKey: purposeKey(secretKey, 'breakwater upstream credentials'),
    messages: shared.messages,
  });
  const members = new PostgresMembers({ database });
  const robots = new PostgresRobots({ database, clock });
  const accounts = withRobots(users, robots);
  const registryTokens = new RegistryTokens({
    key: purposeKey(secretKey, 'breakwater registry tokens'),
    service: config.publicUrl === undefined ? 'breakwater' : new URL(config.publicUrl).host,
    clock,
  });
  const tokenRows = new PostgresApiTokens({ database });
  const rights = {
    users,
    verifier: new CredentialVerifier({ users: accounts, clock }),
    bearers: new TokenBearers(registryTokens, accounts, clock),
    tokens: new ApiTokens(tokenRows, clock),
    sessions: new Sessions({
      store: new PostgresSessions({ database }),
      clock,
      secure: config.publicUrl?.startsWith('https:') ?? false,
    }),
    roles: new RememberedRoles(withRobotRoles(members, robots)),
    settings: orgSettings.settings,
    service: registryTokens.service,
    publicUrl: config.publicUrl,
  };
  const accessChanges = new AccessChanges({
    changeNumber: () => caution.watch(members.changeNumber()),
    onChanged() {
      rights.verifier.forget();
      rights.tokens.forget();
      rights.bearers.forget();
      rights.roles.forget();
    },
    messages: shared.messages,
    logger,
  });
  const access = createAccess(rights);
  const proxyCache = createProxyCache({
    knex: database,
    settings: orgSettings.settings,
    access,
    manifests,
    blobs: content.blobs,
    spoolDirectory: join(config.dataDir, 'spool'),
    ...(disk.spool === undefined ? {} : { spoolDisk: disk.spool }),
    spoolCalls: {
      atOnce: SPOOL_CALLS_AT_ONCE,
      ...(disk.longestCallMs === undefined ? {} : { longestMs: disk.longestCallMs }),
    },
    clock,
    logger,
    allowedHosts: config.upstreamAllowedHosts,
    maxManifestBytes: config.maxManifestBytes,
    ...(config.upstreamProxyUrl === undefined ? {} : { upstreamProxyUrl: config.upstreamProxyUrl }),
    footprint: new PostgresContentFootprint({ database }),
    quota: {
      reserve: (of, bytes) => gc.quota.reserve(of, bytes),
      state: (of) => gc.quota.state(of),
    },
    holds: { hold: (organization, upstream) => gc.hold(organization, upstream) },
    audit: orgSettings.audit,
    sharedTokens: shared.values,
    messages: shared.messages,
    ...(lookup === undefined ? {} : { lookup }),
    realms: config.upstreamRealms,
    deadlines: { checkBudgetMs: config.checkBudgetMs, clientBudgetMs: config.clientBudgetMs, ...deadlines },
    downloads: {
      maxDownloads: config.maxDownloads,
      maxDownloadsPerOrganization: config.maxDownloadsPerOrganization,
      ...downloads,
    },
    refusals: { burst: config.maxRefusalsPerClient },
    ...periods,
  });
  const gc: Gc = createGc({
    knex: database,
    clock,
    logger,
    access,
    tags: proxyCache.tags,
    released: proxyCache.released,
    upstreams: proxyCache.upstreams,
    sweep: new PostgresContentSweep({ database, clock, logger }),
    named: proxyCache.tags,
    stored: new PostgresStoredContent({ database }),
    store: content.mark,
    disposal: content.disposal,
    usage: new PostgresContentUsage({ database }),
    quotas: proxyCache.tags,
    staleFiles: [
      {
        name: 'uploads',
        async drop(before, dryRun, onDrop) {
          const dropped = await uploads.dropStale(Math.min(before, clock.now() - STALE_UPLOAD_MS), dryRun, onDrop);
          return { files: dropped.uploads, bytes: dropped.bytes };
        },
      },
      {
        name: 'partial downloads',
        drop: (before, dryRun, onDrop) => proxyCache.partialFiles.dropStale(before, dryRun, onDrop),
      },
    ],
    reconciliation: upkeep,
    reasonToSkip: () => caution.reasonToSkip(),
    use: new PostgresContentUse({ database }),
    graceMs: config.gcGraceS * 1000,
    holdMs: config.gcHoldS * 1000,
    intervalMs: config.gcIntervalS * 1000,
  });
  logEvents(proxyCache, logger);
  const metrics = createMetrics(proxyCache, gc, {
    events: storageEvents,
    damages,
    files: content.files,
    tasks: storageTasks,
  });
  addClockMetrics(metrics, () => clockJumps);
  const connections = new ConnectionLimits({
    most: config.maxConnections,
    mostPerClient: config.maxConnectionsPerClient,
    clock,
    logger,
  });
  const slowClients = new SlowClients({ idleMs: config.clientIdleS * 1_000, logger });
  addConnectionMetrics(
    metrics,
    () => connections.facts,
    () => slowClients.facts,
  );
  addRedisMetrics(metrics, () => shared.redis);

  const names = new NameResolver({
    settings: orgSettings.settings,
    organizations,
    proxying: (hosts) => orgSettings.settings.proxying(hosts),
    defaultOrganization: config.defaultOrganization,
  });

  const accountLog = new PostgresAccountLog({ database, clock });
  const logs = [accountLog, orgSettings.audit, gc];
  const logRetention = new LogRetention(logs, config.auditRetentionDays, clock, logger);

  let stage: Stage = 'starting';
  let started = false;
  const handler = createApp({
    access,
    manifests,
    blobs: content.blobs,
    tags,
    uploads,
    content: new PostgresHostedContent({ database, links: blobRows, clock }),
    organizations,
    logger,
    metrics,
    maxManifestBytes: config.maxManifestBytes,
    hooks: [waysIn(names), gc.middleware(), proxyCache.middleware()],
    tokenEndpoint: tokenEndpoint({
      tokens: registryTokens,
      verify: (credentials, address) => rights.verifier.verify(credentials, address),
      access,
      resolveName: (name) => names.byPath(name),
      logger,
    }),
    routers: [
      orgSettings.page(),
      orgSettings.router(),
      proxyCache.router(organizations),
      gc.router(),
      hostApi({
        ...rights,
        access,
        damages,
        storageTasks,
        files: content.files,
        organizations,
        members,
        tokenRows,
        robots,
        isOrganization: (name) => organizations.exists(name as OrganizationName),
        isUser: async (name) => (await users.find(name)) !== undefined,
        seededUser: ADMINISTRATOR,
        audit: orgSettings.audit,
        accounts: new AccountChanges({ database, clock }),
        accountLog,
        onChanged: () => accessChanges.changed(),
        documented: [...orgSettings.operations, ...proxyCache.operations, ...gc.operations],
        logger,
      }),
    ],
    isReady: () => stage === 'serving',
    hasStarted: () => started,
  });
  return {
    handler,
    connections,
    slowClients,
    proxyCache,
    orgSettings,
    gc,
    clock,
    postgresClock,
    accessChanges,
    shared,
    users,
    organizations,
    upkeep,
    logRetention,
    setStage: (next) => {
      stage = next;
      started ||= next === 'serving';
    },
  };
}

async function listen(config: Config, { handler, connections, slowClients }: Parts): Promise<Server> {
  const server = createServer(SERVER_OPTIONS, handler);
  connections.guard(server);
  slowClients.guard(server);
  const { host, port } = config.listen;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return server;
}

/** Everything between listening and serving. A database that is not there yet is waited for. */
async function prepare(
  { config, logger }: RegistryOptions,
  database: Knex,
  parts: Parts,
  lifetime: AbortSignal,
): Promise<RegistryFacts> {
  await waitForDatabase(database, logger, lifetime);
  await migrate(database, logger);
  await parts.postgresClock?.start();
  const { passwordFile } = await seedAdministrator(config, parts.users);
  await seedOrganizations(config, parts.organizations, parts.orgSettings.settings, logger);
  await withdrawSeededAnonymousPull(config, parts.orgSettings.settings, logger);
  await parts.orgSettings.start();
  await parts.proxyCache.start();
  if (lifetime.aborted) return { passwordFile };
  parts.accessChanges.start();
  parts.gc.start();
  parts.upkeep.start();
  parts.logRetention.start();
  parts.setStage('serving');
  return { passwordFile };
}

async function waitForDatabase(database: Knex, logger: Logger, lifetime: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await database.raw('select 1');
      return;
    } catch (error) {
      if (lifetime.aborted) throw error;
      if (attempt % 10 === 1) {
        logger.warn({ err: error, attempt }, 'the database of BREAKWATER_DATABASE_URL cannot be reached; trying again');
      }
      await sleep(RETRY_DATABASE_MS, undefined, { signal: lifetime });
    }
  }
}

/** Ends what has begun to work; the database stays open. */
export async function closeParts(parts: Parts): Promise<void> {
  await parts.upkeep.stop();
  await parts.logRetention.stop();
  parts.postgresClock?.stop();
  await parts.gc.stop();
  await parts.proxyCache.close();
  await parts.orgSettings.close();
  await parts.accessChanges.close();
  parts.shared.close();
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
