/** One setting of the registry, as its documentation shows it. */
export interface SettingEntry {
  readonly name: `BREAKWATER_${string}`;
  /** The text that counts when the variable is not set; `undefined` when nothing does, and then `otherwise` says what happens. */
  readonly default: string | undefined;
  /** What happens without a value, in words. */
  readonly otherwise?: string;
  /** One sentence; plain text. */
  readonly meaning: string;
  /** Secrets may also be given as a file, named by the variable with `_FILE` at its end. */
  readonly secret: boolean;
}

/** Every setting, in the order in which the documentation lists them. The defaults are the ones that are used. */
export const settingsTable = [
  {
    name: 'BREAKWATER_LISTEN',
    default: '127.0.0.1:5000',
    meaning:
      'Address and port to listen on; anything beyond loopback needs BREAKWATER_ADMIN_PASSWORD and BREAKWATER_SECRET_KEY.',
    secret: false,
  },
  {
    name: 'BREAKWATER_DATA_DIR',
    default: './data',
    meaning:
      'Directory for everything that is not kept elsewhere: the embedded Postgres, blobs, spool, generated secrets.',
    secret: false,
  },
  {
    name: 'BREAKWATER_DATABASE_URL',
    default: undefined,
    otherwise: 'an embedded Postgres in the data directory',
    meaning: 'The Postgres to use, postgres://user:password@host:5432/database.',
    secret: true,
  },
  {
    name: 'BREAKWATER_REDIS_URL',
    default: undefined,
    otherwise: 'replicas share Postgres, which is enough',
    meaning:
      'A Redis through which replicas share upstream tokens and hear of changes at once, redis://user:password@host:6379/0, or rediss:// with TLS; neither Cluster nor Sentinel.',
    secret: true,
  },
  {
    name: 'BREAKWATER_STORAGE_URL',
    default: undefined,
    otherwise: 'storage in the data directory',
    meaning: 'Where blobs are kept, file:///absolute/path.',
    secret: false,
  },
  {
    name: 'BREAKWATER_SECRET_KEY',
    default: undefined,
    otherwise: 'generated into secret-key in the data directory',
    meaning:
      'Secret that the keys are derived from which seal upstream passwords and what is in Redis, and sign tokens; the same for all replicas: at least 32 bytes in hex or base64, or a text of at least 32 characters.',
    secret: true,
  },
  {
    name: 'BREAKWATER_ADMIN_PASSWORD',
    default: undefined,
    otherwise: 'generated into admin-password in the data directory',
    meaning: 'Password of the administrator, whose name is admin.',
    secret: true,
  },
  {
    name: 'BREAKWATER_UPSTREAM_ALLOWED_HOSTS',
    default: '',
    otherwise: 'public addresses only',
    meaning:
      'Upstreams that may be dialled although their address is not public: host, host:port or CIDR, comma separated.',
    secret: false,
  },
  {
    name: 'BREAKWATER_UPSTREAM_PROXY_URL',
    default: undefined,
    otherwise: 'upstreams are dialled directly',
    meaning:
      'An HTTP proxy that opens every connection to upstreams with CONNECT, http://user:password@host:port; names are resolved by it.',
    secret: true,
  },
  {
    name: 'BREAKWATER_UPSTREAM_REALMS',
    default: '',
    otherwise: 'token servers of the registry’s own domain only, and that of Docker Hub',
    meaning:
      'Token servers that are shown the credentials of a registry although they stand under another domain: registry host=token server host, comma separated.',
    secret: false,
  },
  {
    name: 'BREAKWATER_CHECK_BUDGET_MS',
    default: '2000',
    meaning:
      'Longest wait of a pull for its upstream while a copy can be served, in milliseconds, 100 to 15000; the check goes on behind it.',
    secret: false,
  },
  {
    name: 'BREAKWATER_CLIENT_BUDGET_MS',
    default: '15000',
    meaning:
      'Longest wait of a pull for its upstream when there is nothing to serve, in milliseconds, at most 25000: containerd gives up after 30 s.',
    secret: false,
  },
  {
    name: 'BREAKWATER_MAX_DOWNLOADS',
    default: '64',
    meaning: 'Most downloads of blobs that a process makes at a time; what is cached never waits for one.',
    secret: false,
  },
  {
    name: 'BREAKWATER_MAX_DOWNLOADS_PER_ORGANIZATION',
    default: '8',
    meaning: 'Most of them for one organization.',
    secret: false,
  },
  {
    name: 'BREAKWATER_MAX_REFUSALS_PER_CLIENT',
    default: '200',
    meaning:
      'How often a client may ask at once for what upstreams do not have or do not give, 5 more each second; beyond that it gets 429 for what is not cached; 0 = no limit, as behind a reverse proxy, which is one address for all who do not sign in.',
    secret: false,
  },
  {
    name: 'BREAKWATER_PUBLIC_URL',
    default: undefined,
    otherwise: 'the address that it listens on',
    meaning: 'The URL under which clients reach the registry, without a path.',
    secret: false,
  },
  {
    name: 'BREAKWATER_MAX_MANIFEST_BYTES',
    default: '4194304',
    meaning: 'Largest manifest in bytes that is fetched or can be pushed, at most 33554432.',
    secret: false,
  },
  {
    name: 'BREAKWATER_MAX_CONNECTIONS',
    default: '10000',
    meaning: 'Most connections of clients that a process keeps open; those above are closed at once; 0 = no limit.',
    secret: false,
  },
  {
    name: 'BREAKWATER_MAX_CONNECTIONS_PER_CLIENT',
    default: '2000',
    meaning:
      'Most of them from one IPv4 address or one /64 of IPv6; 0 = no limit, as behind a reverse proxy, which is one address for all.',
    secret: false,
  },
  {
    name: 'BREAKWATER_CLIENT_IDLE_S',
    default: '60',
    meaning:
      'How long a client may send nothing of a body, or stay below 4 KiB a second, before its connection is cut; for taking an answer five times as long; 0 = never.',
    secret: false,
  },
  {
    name: 'BREAKWATER_AUDIT_RETENTION_DAYS',
    default: '365',
    meaning:
      'How long entries of the audit logs are kept, in days; 0 = for ever. Of sign-ins and changes of accounts at most a million are.',
    secret: false,
  },
  {
    name: 'BREAKWATER_LOG_LEVEL',
    default: 'info',
    meaning: 'Least important log lines to write: debug, info, warn or error.',
    secret: false,
  },
  {
    name: 'BREAKWATER_DEFAULT_ORGANIZATION',
    default: undefined,
    otherwise: 'such names are unknown',
    meaning: 'The organization of names that begin with none, for clients that cannot name one: mirrors of docker.',
    secret: false,
  },
  {
    name: 'BREAKWATER_SEED_ORGANIZATIONS',
    default: 'default',
    meaning: 'default = a first start creates dockerhub, quay, ghcr and k8s; none = it creates no organization.',
    secret: false,
  },
  {
    name: 'BREAKWATER_GC_INTERVAL_S',
    default: '900',
    meaning: 'Seconds between two garbage collections.',
    secret: false,
  },
  {
    name: 'BREAKWATER_GC_GRACE_S',
    default: '3600',
    meaning: 'Seconds for which content stays after its last use, whatever becomes of its tags.',
    secret: false,
  },
  {
    name: 'BREAKWATER_GC_HOLD_S',
    default: '2592000',
    meaning:
      'Longest time in seconds for which garbage collection holds back while an upstream is down; 0 = it does not.',
    secret: false,
  },
  {
    name: 'BREAKWATER_SCRUB_RATE_MIB_S',
    default: '8',
    meaning:
      'How fast everything stored is read and hashed in the background, MiB per second for the whole cluster; 0 = it is not.',
    secret: false,
  },
  {
    name: 'BREAKWATER_SCRUB_INTERVAL_S',
    default: '604800',
    meaning: 'Seconds from the end of one such scrub to the beginning of the next.',
    secret: false,
  },
  {
    name: 'BREAKWATER_QUARANTINE_S',
    default: '2592000',
    meaning: 'Seconds for which damaged files are kept in quarantine after they were replaced.',
    secret: false,
  },
] as const satisfies readonly SettingEntry[];

/** The name of a setting. */
export type SettingName = (typeof settingsTable)[number]['name'];
