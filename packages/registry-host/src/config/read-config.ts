import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AddressGuard, OutboundProxy } from '@breakwater/proxy-cache';
import { LARGEST_MANIFEST_BYTES, type OrganizationName, parseOrganizationName } from '@breakwater/registry-core';
import { z } from 'zod';
import { isLoopback, type ListenAddress, parseListenAddress } from './listen-address.js';
import { nearest } from './nearest.js';
import { parseSecretKey, type SecretKey } from './secret-key.js';
import { type SettingEntry, type SettingName, settingsTable } from './settings-table.js';

/** The settings of the registry, read and checked. */
export interface Config {
  readonly listen: ListenAddress;
  /** Nobody on another machine can reach it. */
  readonly loopbackOnly: boolean;
  /** Absolute path. */
  readonly dataDir: string;
  /** `undefined` = the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  /** `undefined` = what registries could share through Redis stays in this process. */
  readonly redisUrl: string | undefined;
  /** A `file:` URL. */
  readonly storageUrl: string;
  /** `undefined` = the generated one in the data directory. */
  readonly secretKey: SecretKey | undefined;
  /** `undefined` = the generated one in the data directory. */
  readonly adminPassword: string | undefined;
  /** host, host:port or CIDR, as they were written; whoever guards the dialling parses them. */
  readonly upstreamAllowedHosts: readonly string[];
  /** `undefined` = upstreams are dialled directly. */
  readonly upstreamProxyUrl: string | undefined;
  readonly upstreamRealms: readonly { readonly registry: string; readonly realm: string }[];
  /** How long a pull waits for its upstream while a copy can be served. */
  readonly checkBudgetMs: number;
  /** And when nothing can; not shorter. */
  readonly clientBudgetMs: number;
  readonly maxDownloads: number;
  readonly maxDownloadsPerOrganization: number;
  /** 0 = no limit. */
  readonly maxRefusalsPerClient: number;
  /** Without a slash at its end; `undefined` = the address that it listens on. */
  readonly publicUrl: string | undefined;
  readonly maxManifestBytes: number;
  /** 0 = no limit, here and of the next one. */
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  /** 0 = for ever. */
  readonly auditRetentionDays: number;
  /** 0 = clients are never cut for being slow. */
  readonly clientIdleS: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** `undefined` = names that begin with no organization are unknown. */
  readonly defaultOrganization: OrganizationName | undefined;
  readonly seedOrganizations: boolean;
  readonly gcIntervalS: number;
  readonly gcGraceS: number;
  readonly gcHoldS: number;
  /** 0 = no scrub. */
  readonly scrubRateMibS: number;
  readonly scrubIntervalS: number;
  readonly quarantineS: number;
  /** Sentences about variables that mean nothing here. Worth a log line each. */
  readonly warnings: readonly string[];
}

/** One setting that cannot be used. */
export interface ConfigProblem {
  readonly variable: string;
  /** What was wrong and what would be right. Never the value of a secret. */
  readonly problem: string;
}

/** The settings cannot be used; `problems` has one entry for each mistake, and the message a line. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';

  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map(({ variable, problem }) => `${variable} ${problem}`).join('\n'));
    this.name = 'ConfigError';
  }
}

/** Fewest characters of a password that others can try. */
const LEAST_PASSWORD = 8;
/** Longest period that the settings take, ten years, in seconds. */
const MAX_SECONDS = 315_360_000;

/** Nobody can mean to allow less: manifests of today have a few KiB. */
const LEAST_MANIFEST_BYTES = 64 * 1024;
/** Longest time, in seconds, that a slow client can be left alone: an hour. */
const MAX_CLIENT_IDLE_S = 3_600;
/** Ten years. */
const MAX_RETENTION_DAYS = 3_650;
/** More connections than a process can have files open. */
const MAX_CONNECTIONS = 1_000_000;

/** Longest pause between two runs, two weeks: a timer of node reaches less than 25 days. */
const MAX_INTERVAL_S = 1_209_600;

/** Budgets, in milliseconds: shorter is no time to answer at all, longer is when clients give up themselves. */
const LEAST_BUDGET_MS = 100;
const MAX_CHECK_BUDGET_MS = 15_000;
const MAX_CLIENT_BUDGET_MS = 25_000;
const MAX_DOWNLOADS = 1_000;
const MAX_REFUSALS = 1_000_000;

/** Variables that Kubernetes sets in every container beside a service called "breakwater". */
const SERVICE_LINK = /^BREAKWATER_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;
/** Variables of the project's own tests. */
const TEST_VARIABLE = /^BREAKWATER_TEST_/;
/** A name that is so near to a known one is a slip, and starting with the default instead would be worse than not starting. */
const SLIP_EDITS = 3;

const wholeNumber = (least: number, most: number, of = '') =>
  z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most,
      `must be a whole number${of} from ${least} to ${most}`,
    )
    .transform(Number);

const periodS = (least: number, most = MAX_SECONDS) => wholeNumber(least, most, ' of seconds');
const milliseconds = (least: number, most: number) => wholeNumber(least, most, ' of milliseconds');

/** How the text of each setting is read. Messages go on from "BREAKWATER_X is "…", but". */
const readers = {
  BREAKWATER_LISTEN: parsed(
    parseListenAddress,
    'must be host:port, for example 127.0.0.1:5000, [::1]:5000 or 0.0.0.0:5000',
  ),
  BREAKWATER_DATA_DIR: z
    .string()
    .refine((text) => !text.includes('\0') && !/^[a-z]+:\/\//i.test(text), 'must be the path of a directory')
    .transform((text) => resolve(text)),
  BREAKWATER_DATABASE_URL: z
    .string()
    .refine(isPostgresUrl, 'must be a URL such as postgres://user:password@host:5432/database'),
  BREAKWATER_REDIS_URL: z
    .string()
    .refine(
      (text) => !isSeveralRedis(text),
      'must be the URL of one Redis; Sentinel, Cluster and lists of hosts are not supported, and nothing is lost without: a Redis that fails is never an error',
    )
    .refine(isRedisUrl, 'must be a URL such as redis://user:password@host:6379/0, or rediss:// with TLS'),
  BREAKWATER_STORAGE_URL: z
    .string()
    .refine(isFileUrl, 'must be file:/// and an absolute path, for example file:///var/lib/breakwater'),
  BREAKWATER_SECRET_KEY: parsed(
    parseSecretKey,
    'must be at least 32 bytes in hex or base64, or a text of at least 32 characters; "openssl rand -base64 32" makes one',
  ),
  BREAKWATER_ADMIN_PASSWORD: z.string().refine((text) => text.length <= 1_024, 'must have at most 1024 characters'),
  BREAKWATER_UPSTREAM_ALLOWED_HOSTS: z.string().transform((text, context) => {
    const hosts = listed(text);
    const wrong = hosts.find((each) => !isAllowedHost(each));
    if (wrong === undefined) return hosts;
    context.addIssue(
      `must be host, host:port or CIDR, comma separated, for example registry.lan:5000,10.0.0.0/8; "${wrong}" is none of them`,
    );
    return z.NEVER;
  }),
  BREAKWATER_UPSTREAM_PROXY_URL: z
    .string()
    .refine(isProxyUrl, 'must be a URL such as http://proxy.example:3128 or http://user:password@proxy.example:3128'),
  BREAKWATER_UPSTREAM_REALMS: z.string().transform((text, context) => {
    const pairs = listed(text);
    const wrong = pairs.find((each) => parseRealm(each) === undefined);
    if (wrong === undefined) return pairs.flatMap((each) => parseRealm(each) ?? []);
    context.addIssue(
      `must be registry host=token server host, comma separated, for example registry.example.com=login.example.net; "${wrong}" is not`,
    );
    return z.NEVER;
  }),
  BREAKWATER_CHECK_BUDGET_MS: milliseconds(LEAST_BUDGET_MS, MAX_CHECK_BUDGET_MS),
  BREAKWATER_CLIENT_BUDGET_MS: milliseconds(LEAST_BUDGET_MS, MAX_CLIENT_BUDGET_MS),
  BREAKWATER_MAX_DOWNLOADS: wholeNumber(1, MAX_DOWNLOADS),
  BREAKWATER_MAX_DOWNLOADS_PER_ORGANIZATION: wholeNumber(1, MAX_DOWNLOADS),
  BREAKWATER_MAX_REFUSALS_PER_CLIENT: wholeNumber(0, MAX_REFUSALS),
  BREAKWATER_PUBLIC_URL: parsed(
    parsePublicUrl,
    'must be http:// or https:// and a host, without a path, for example https://registry.example.com',
  ),
  BREAKWATER_MAX_MANIFEST_BYTES: wholeNumber(LEAST_MANIFEST_BYTES, LARGEST_MANIFEST_BYTES),
  BREAKWATER_MAX_CONNECTIONS: wholeNumber(0, MAX_CONNECTIONS),
  BREAKWATER_MAX_CONNECTIONS_PER_CLIENT: wholeNumber(0, MAX_CONNECTIONS),
  BREAKWATER_CLIENT_IDLE_S: periodS(0, MAX_CLIENT_IDLE_S),
  BREAKWATER_AUDIT_RETENTION_DAYS: wholeNumber(0, MAX_RETENTION_DAYS),
  BREAKWATER_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error'),
  BREAKWATER_DEFAULT_ORGANIZATION: parsed(
    parseOrganizationName,
    'must be the name of an organization, lower-case letters and digits, for example dockerhub',
  ),
  BREAKWATER_SEED_ORGANIZATIONS: z
    .enum(['default', 'none'], 'must be default or none')
    .transform((text) => text === 'default'),
  BREAKWATER_GC_INTERVAL_S: periodS(1, MAX_INTERVAL_S),
  BREAKWATER_GC_GRACE_S: periodS(0),
  BREAKWATER_GC_HOLD_S: periodS(0),
  BREAKWATER_SCRUB_RATE_MIB_S: z
    .string()
    .refine((text) => /^\d{1,5}$/.test(text), 'must be a whole number of MiB per second from 0 to 99999')
    .transform(Number),
  BREAKWATER_SCRUB_INTERVAL_S: periodS(0),
  BREAKWATER_QUARANTINE_S: periodS(0),
} satisfies Record<SettingName, z.ZodType<unknown, string>>;

type Readers = typeof readers;

/**
 * Reads the settings from environment variables. An empty variable counts as one that is not set.
 *
 * @throws ConfigError (code CONFIG_INVALID) with every mistake there is
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: ConfigProblem[] = [];
  const read = <Name extends SettingName>(name: Name): z.output<Readers[Name]> | undefined =>
    readSetting(env, name, problems);
  const values = {
    listen: read('BREAKWATER_LISTEN'),
    dataDir: read('BREAKWATER_DATA_DIR'),
    databaseUrl: read('BREAKWATER_DATABASE_URL'),
    redisUrl: read('BREAKWATER_REDIS_URL'),
    storageUrl: read('BREAKWATER_STORAGE_URL'),
    secretKey: read('BREAKWATER_SECRET_KEY'),
    adminPassword: read('BREAKWATER_ADMIN_PASSWORD'),
    upstreamAllowedHosts: read('BREAKWATER_UPSTREAM_ALLOWED_HOSTS'),
    upstreamProxyUrl: read('BREAKWATER_UPSTREAM_PROXY_URL'),
    upstreamRealms: read('BREAKWATER_UPSTREAM_REALMS'),
    checkBudgetMs: read('BREAKWATER_CHECK_BUDGET_MS'),
    clientBudgetMs: read('BREAKWATER_CLIENT_BUDGET_MS'),
    maxDownloads: read('BREAKWATER_MAX_DOWNLOADS'),
    maxDownloadsPerOrganization: read('BREAKWATER_MAX_DOWNLOADS_PER_ORGANIZATION'),
    maxRefusalsPerClient: read('BREAKWATER_MAX_REFUSALS_PER_CLIENT'),
    publicUrl: read('BREAKWATER_PUBLIC_URL'),
    maxManifestBytes: read('BREAKWATER_MAX_MANIFEST_BYTES'),
    maxConnections: read('BREAKWATER_MAX_CONNECTIONS'),
    maxConnectionsPerClient: read('BREAKWATER_MAX_CONNECTIONS_PER_CLIENT'),
    clientIdleS: read('BREAKWATER_CLIENT_IDLE_S'),
    auditRetentionDays: read('BREAKWATER_AUDIT_RETENTION_DAYS'),
    logLevel: read('BREAKWATER_LOG_LEVEL'),
    defaultOrganization: read('BREAKWATER_DEFAULT_ORGANIZATION'),
    seedOrganizations: read('BREAKWATER_SEED_ORGANIZATIONS'),
    gcIntervalS: read('BREAKWATER_GC_INTERVAL_S'),
    gcGraceS: read('BREAKWATER_GC_GRACE_S'),
    gcHoldS: read('BREAKWATER_GC_HOLD_S'),
    scrubRateMibS: read('BREAKWATER_SCRUB_RATE_MIB_S'),
    scrubIntervalS: read('BREAKWATER_SCRUB_INTERVAL_S'),
    quarantineS: read('BREAKWATER_QUARANTINE_S'),
  };
  const warnings = unknownVariables(env, problems);
  const { listen, dataDir, logLevel, gcIntervalS, gcGraceS, gcHoldS, seedOrganizations } = values;
  const { scrubRateMibS, scrubIntervalS, quarantineS } = values;
  const { maxManifestBytes, maxConnections, maxConnectionsPerClient, clientIdleS, auditRetentionDays } = values;
  const { checkBudgetMs, clientBudgetMs, maxDownloads, maxDownloadsPerOrganization, maxRefusalsPerClient } = values;
  if (checkBudgetMs !== undefined && clientBudgetMs !== undefined && clientBudgetMs < checkBudgetMs) {
    problems.push({
      variable: 'BREAKWATER_CLIENT_BUDGET_MS',
      problem: `is "${clientBudgetMs}", but must not be less than BREAKWATER_CHECK_BUDGET_MS, which is ${checkBudgetMs}`,
    });
  }
  if (listen !== undefined && !isLoopback(listen)) problems.push(...weakSecrets(env, values.adminPassword));
  if (
    problems.length > 0 ||
    listen === undefined ||
    dataDir === undefined ||
    logLevel === undefined ||
    seedOrganizations === undefined ||
    checkBudgetMs === undefined ||
    clientBudgetMs === undefined ||
    maxDownloads === undefined ||
    maxDownloadsPerOrganization === undefined ||
    maxRefusalsPerClient === undefined ||
    maxManifestBytes === undefined ||
    maxConnections === undefined ||
    maxConnectionsPerClient === undefined ||
    clientIdleS === undefined ||
    auditRetentionDays === undefined ||
    gcIntervalS === undefined ||
    gcGraceS === undefined ||
    gcHoldS === undefined ||
    scrubRateMibS === undefined ||
    scrubIntervalS === undefined ||
    quarantineS === undefined
  ) {
    throw new ConfigError(problems);
  }
  return Object.freeze({
    ...values,
    listen,
    loopbackOnly: isLoopback(listen),
    dataDir,
    storageUrl: values.storageUrl ?? pathToFileURL(join(dataDir, 'storage')).href,
    upstreamAllowedHosts: values.upstreamAllowedHosts ?? [],
    upstreamRealms: values.upstreamRealms ?? [],
    checkBudgetMs,
    clientBudgetMs,
    maxDownloads,
    maxDownloadsPerOrganization,
    maxRefusalsPerClient,
    maxManifestBytes,
    maxConnections,
    maxConnectionsPerClient,
    clientIdleS,
    auditRetentionDays,
    logLevel,
    seedOrganizations,
    gcIntervalS,
    gcGraceS,
    gcHoldS,
    scrubRateMibS,
    scrubIntervalS,
    quarantineS,
    warnings,
  });
}

function readSetting<Name extends SettingName>(
  env: Readonly<Record<string, string | undefined>>,
  name: Name,
  problems: ConfigProblem[],
): z.output<Readers[Name]> | undefined {
  const entry: SettingEntry | undefined = settingsTable.find((each) => each.name === name);
  const text = textOf(env, name, entry?.secret ?? false, problems) ?? entry?.default;
  if (text === undefined) return undefined;
  const reader: z.ZodType<unknown, string> = readers[name];
  const result = reader.safeParse(text);
  if (result.success) return result.data as z.output<Readers[Name]>;
  const shown = entry?.secret === true ? 'has a value that cannot be used: it' : `is ${JSON.stringify(text)}, but`;
  problems.push({ variable: name, problem: `${shown} ${result.error.issues[0]?.message ?? 'is invalid'}` });
  return undefined;
}

/** The entries of a comma-separated list. */
function listed(text: string): readonly string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** Reads `registry host=token server host`; `undefined` when it is something else. */
function parseRealm(text: string): { readonly registry: string; readonly realm: string } | undefined {
  const [registry, realm, ...rest] = text.split('=').map((each) => each.trim().toLowerCase());
  if (registry === undefined || realm === undefined || rest.length > 0) return undefined;
  return [registry, realm].every(isHostName) ? { registry, realm } : undefined;
}

/** Whether a text is the name of a host as URLs have it, without a port. */
function isHostName(text: string): boolean {
  return text !== '' && URL.canParse(`https://${text}`) && new URL(`https://${text}`).host === text;
}

/** Whether the address guard understands an entry. */
function isAllowedHost(entry: string): boolean {
  try {
    new AddressGuard([entry]);
    return true;
  } catch {
    return false;
  }
}

/** Whether the upstream client understands it. */
function isProxyUrl(text: string): boolean {
  try {
    new OutboundProxy(text);
    return true;
  } catch {
    return false;
  }
}

/** The value of a variable, or of the file that its `_FILE` twin names. */
function textOf(
  env: Readonly<Record<string, string | undefined>>,
  name: SettingName,
  secret: boolean,
  problems: ConfigProblem[],
): string | undefined {
  const text = given(env[name]);
  const file = secret ? given(env[`${name}_FILE`]) : undefined;
  if (file === undefined) return text;
  if (text !== undefined) {
    problems.push({ variable: `${name}_FILE`, problem: `is set together with ${name}; set one of them` });
    return text;
  }
  try {
    // The line feed that editors and echo leave at the end is not part of the secret.
    const content = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    if (content !== '') return content;
    problems.push({ variable: `${name}_FILE`, problem: `names ${JSON.stringify(file)}, which is empty` });
  } catch (error) {
    const code = String((error as { code?: unknown } | null)?.code ?? 'unknown error');
    problems.push({
      variable: `${name}_FILE`,
      problem: `names ${JSON.stringify(file)}, which cannot be read (${code})`,
    });
  }
  return undefined;
}

/** S32: what others can reach is never protected by a secret that nobody chose, nor by one that is guessed at once. */
function weakSecrets(
  env: Readonly<Record<string, string | undefined>>,
  adminPassword: string | undefined,
): ConfigProblem[] {
  const problems: ConfigProblem[] = (['BREAKWATER_ADMIN_PASSWORD', 'BREAKWATER_SECRET_KEY'] as const)
    .filter((name) => given(env[name]) === undefined && given(env[`${name}_FILE`]) === undefined)
    .map((variable) => ({
      variable,
      problem: 'must be set to listen beyond loopback; or set BREAKWATER_LISTEN to 127.0.0.1:5000',
    }));
  if (adminPassword !== undefined && [...adminPassword].length < LEAST_PASSWORD) {
    problems.push({
      variable: 'BREAKWATER_ADMIN_PASSWORD',
      problem: `must have at least ${LEAST_PASSWORD} characters to listen beyond loopback`,
    });
  }
  return problems;
}

/** Slips are problems; other unknown names come back as warnings. */
function unknownVariables(env: Readonly<Record<string, string | undefined>>, problems: ConfigProblem[]): string[] {
  const known: readonly string[] = settingsTable.flatMap((each) =>
    each.secret ? [each.name, `${each.name}_FILE`] : [each.name],
  );
  const warnings: string[] = [];
  for (const variable of Object.keys(env).sort()) {
    if (!variable.startsWith('BREAKWATER_') || known.includes(variable)) continue;
    if (SERVICE_LINK.test(variable) || TEST_VARIABLE.test(variable)) continue;
    const near = nearest(variable, known);
    const problem = `is not a setting; did you mean ${near?.name}?`;
    if (near !== undefined && near.edits <= SLIP_EDITS) problems.push({ variable, problem });
    else warnings.push(`${variable} ${problem}`);
  }
  return warnings;
}

function given(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text;
}

/** A reader of a parser that gives `undefined` for what it does not take. */
function parsed<T>(parse: (text: string) => T | undefined, message: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue(message);
    return z.NEVER;
  });
}

function isPostgresUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'postgres:' || url?.protocol === 'postgresql:';
}

/** What other programs call several Redis servers that are one. */
function isSeveralRedis(text: string): boolean {
  return /^[a-z0-9+.-]*(?:sentinel|cluster)[a-z0-9+.-]*:/i.test(text) || /^rediss?:\/\/[^/]*,/i.test(text);
}

/** Without a query, which the client would take settings from. */
function isRedisUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'redis:' && url?.protocol !== 'rediss:') return false;
  return url.hostname !== '' && /^(?:\/\d{0,5})?$/.test(url.pathname) && url.search + url.hash === '';
}

function isFileUrl(text: string): boolean {
  if (!text.startsWith('file:///') || !URL.canParse(text)) return false;
  const url = new URL(text);
  return url.host === '' && url.pathname.length > 1 && !/%2f|%00/i.test(url.pathname) && url.search + url.hash === '';
}

function parsePublicUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return undefined;
  const bare =
    url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  return bare ? url.origin : undefined;
}
