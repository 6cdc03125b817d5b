import {
  type Access,
  ChangeNotices,
  type Clock,
  InProcessMessages,
  type Logger,
  type Messages,
  type OrganizationName,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
} from '@breakwater/registry-core';
import type { ApiHandler, ApiOperation } from '@breakwater/registry-http';
import type { Knex } from 'knex';
import { SettingsCopy } from './copy/settings-copy.js';
import { createSecretBox, SECRET_KEY_BYTES } from './credentials/secret-box.js';
import { invalid } from './errors.js';
import { parseCreateBody } from './fields/parse-body.js';
import type { NewSettings } from './fields/settings-values.js';
import { settingsOperations } from './http/operations.js';
import { createPage } from './http/page.js';
import { createSettingsRouter } from './http/router.js';
import type { OrganizationDirectory, UpstreamProbe } from './ports.js';
import { createAuditTrail } from './postgres/audit-trail.js';
import { createSettingsReads } from './postgres/settings-reads.js';
import { createSettingsWrites } from './postgres/settings-writes.js';
import { SettingsEditor } from './settings-editor.js';
import type { AuditTrail } from './settings-store.js';

export interface OrgSettingsOptions {
  /** A Postgres pool of the host's, with `orgSettingsMigrations()` applied. It stays the host's to close. */
  readonly knex: Knex;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly access: Access;
  readonly organizations: OrganizationDirectory;
  readonly probe: UpstreamProbe;
  /** 32 bytes from which the key that encrypts upstream credentials is derived. */
  readonly secretKey: Uint8Array;
  /** How long a change by another process may go unnoticed, in ms. Default 2000. */
  readonly maxStaleMs?: number;
  /** Tells other processes of changes, so that they notice at once. Default in process. */
  readonly messages?: Messages;
}

/** The settings for the paths that pull, and for the host itself. */
export interface Settings extends ProxyCacheSettingsReader {
  /**
   * The settings of a proxy organization, from memory as a rule; `undefined` for a hosted or unknown one.
   *
   * @throws RegistryError UNAVAILABLE, with `detail.reason` `database`, when they are not in memory and the database is
   *   down, or when the organization's credentials cannot be decrypted
   */
  find(organization: OrganizationName): Promise<ProxyCacheSettings | undefined>;
  /**
   * The proxy organizations whose upstream is at one of these `host[:port]`, in the order of their names, a hundred at
   * most; asks the database.
   *
   * @throws RegistryError UNAVAILABLE
   */
  proxying(
    hosts: readonly string[],
  ): Promise<readonly { readonly organization: OrganizationName; readonly upstream: string }[]>;
  /**
   * Makes an organization a proxy organization on the host's own behalf, at its first start say. Rights, and whether the
   * address is allowed now, are not checked: that is done again each time it is dialled.
   *
   * @throws SettingsError ALREADY_EXISTS, or INVALID with everything that is wrong with the values
   */
  create(organization: OrganizationName, settings: NewSettings, performedBy?: string): Promise<void>;
  /**
   * Switches anonymous pull off where nobody has edited the settings since they were created, and resolves to whether it
   * did: for a host that made them while only this machine could reach it.
   */
  withdrawAnonymousPull(organization: OrganizationName, performedBy?: string): Promise<boolean>;
}

/** The settings of proxy organizations: an API to edit them and a reader for the pulls. */
export interface OrgSettings {
  /** The settings API with its full paths, for `app.use()` at the root of an Express 4 or 5 app. */
  router(): ApiHandler;
  /** What the router serves, for whoever documents the API or serves it in a way of their own. */
  readonly operations: readonly ApiOperation[];
  /**
   * The settings page at /organization/{organization}?tab=Settings, with a list of organizations and a sign-in page, for
   * `app.use()` at the root of an Express 4 or 5 app. It asks the API of its own origin: what the router and the host
   * have.
   */
  page(): ApiHandler;
  readonly settings: Settings;
  /** Where others write down what was done to an organization: shown with the changes of its settings. */
  readonly audit: Pick<AuditTrail, 'record' | 'prune'>;
  /** Reads what is stored into memory. Throws RegistryError UNAVAILABLE when the database is down. Not required. */
  start(): Promise<void>;
  /** Stops looking for changes. The reader goes on with what it has and what it is asked for. */
  close(): Promise<void>;
}

const MOST_PROXYING = 100;
const DEFAULT_MAX_STALE_MS = 2_000;
const SETTINGS_CHANGES = 'organization-settings';

/**
 * Wires the package. Nothing is asked of the database before somebody needs it.
 *
 * @throws RangeError for options that cannot be right
 */
export function createOrgSettings(options: OrgSettingsOptions): OrgSettings {
  const { knex, clock, logger, access, organizations, probe, secretKey } = options;
  const maxStaleMs = options.maxStaleMs ?? DEFAULT_MAX_STALE_MS;
  if (secretKey.byteLength !== SECRET_KEY_BYTES) {
    throw new RangeError(`secretKey must have ${SECRET_KEY_BYTES} bytes, not ${secretKey.byteLength}`);
  }
  if (!(maxStaleMs > 0 && maxStaleMs <= 60_000)) {
    throw new RangeError(`maxStaleMs must be above 0 and at most 60000, not ${maxStaleMs}`);
  }

  const reads = createSettingsReads(knex);
  const box = createSecretBox(secretKey);
  const copy = new SettingsCopy({ reads, box, logger, maxStaleMs });
  const notices = new ChangeNotices({
    messages: options.messages ?? new InProcessMessages(),
    channel: SETTINGS_CHANGES,
    follow: () => copy.follow(),
  });
  const editor = new SettingsEditor({
    reads,
    writes: createSettingsWrites(knex, clock),
    box,
    probe,
    onWritten(organization, changeNumber, stored) {
      copy.put(organization, changeNumber, stored);
      notices.announce();
    },
  });

  const trail = createAuditTrail(knex, clock);
  const operations = settingsOperations(editor, trail);
  return {
    audit: trail,
    router: () => createSettingsRouter({ access, organizations, operations, logger }),
    page: () => createPage({ logger }),
    operations,
    settings: {
      find: (organization) => copy.find(organization),
      proxying: (hosts) => reads.proxying(hosts, MOST_PROXYING),
      async create(organization, settings, performedBy = 'system') {
        const parsed = parseCreateBody(createBody(settings));
        if (!parsed.ok) throw invalid(parsed.problems);
        await editor.createTrusted(organization, parsed.value, performedBy);
      },
      withdrawAnonymousPull: (organization, performedBy = 'system') =>
        editor.withdrawAnonymousPull(organization, performedBy),
    },
    start: () => copy.fill(),
    async close() {
      copy.close();
      await notices.close();
    },
  };
}

/** One set of rules for both ways in. */
function createBody(settings: NewSettings): Readonly<Record<string, unknown>> {
  const body = {
    upstream_registry: settings.upstream,
    upstream_registry_username: settings.credentials?.username,
    upstream_registry_password: settings.credentials?.password,
    upstream_ca_pem: settings.upstreamCaPem,
    insecure: settings.insecure,
    staleness_period_s: settings.stalenessPeriodS,
    check_interval_s: settings.checkIntervalS,
    expiration_s: settings.expirationS,
    serve_when_removed: settings.serveWhenRemoved,
    serve_when_denied: settings.serveWhenDenied,
    anonymous_pull: settings.anonymousPull,
    prefetch: settings.prefetch,
    prefetch_max_bytes: settings.prefetchMaxBytes,
    quota_bytes: settings.quotaBytes,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
