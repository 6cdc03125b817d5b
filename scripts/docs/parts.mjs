import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../lib/root.mjs';
import { listDecisions } from './decisions.mjs';
import { faultResultsSummary, faultResultsTable } from './fault-results.mjs';
import { code, table } from './markdown.mjs';
import { membersTable } from './members.mjs';
import { tables } from './schema.mjs';

/** Every generated part by its name, made from what was built and from the sources. */
export async function makeParts() {
  return {
    settings: await settings(),
    ...(await organizationSettings()),
    'registry-errors': await registryErrors(),
    'failure-classes': await failureClasses(),
    'spec-sections': await specSections(),
    'settings-errors': await settingsErrors(),
    'embedded-postgres-errors': embeddedPostgresErrors(),
    deadlines: await deadlines(),
    metrics: await metrics(),
    tables: await schema(),
    ...faultResults(),
    decisions: listDecisions(join(ROOT, 'docs', 'decisions')),
    'proxy-cache-members': membersTable(source('packages/proxy-cache/src/create-proxy-cache.ts'), 'ProxyCache'),
    'proxy-cache-options': membersTable(source('packages/proxy-cache/src/options.ts'), 'ProxyCacheOptions'),
    'own-express-app': example('own-express-app.ts'),
    'outage-in-a-test': example('outage-in-a-test.ts'),
  };
}

function built(path) {
  return import(pathToFileURL(join(ROOT, 'packages', path)).href);
}

function source(path) {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** What is said of each name of a list that comes from the code; neither may have a name that the other has not. */
function saidOf(names, said) {
  for (const name of names) {
    if (said[name] === undefined) throw new Error(`"${name}" is new: say what it is in scripts/docs/parts.mjs`);
  }
  for (const name of Object.keys(said)) {
    if (!names.includes(name)) throw new Error(`"${name}" is gone: take it out of scripts/docs/parts.mjs`);
  }
  return names.map((name) => [name, said[name]]);
}

async function settings() {
  const { settingsTable } = await built('registry-host/dist/config/settings-table.js');
  const rows = settingsTable.map(({ name, default: value, otherwise, meaning, secret }) => [
    secret ? `${code(name)} (\`_FILE\`)` : code(name),
    otherwise ?? code(value),
    meaning,
  ]);
  return table(['variable', 'default', 'meaning'], rows);
}

const CREDENTIALS = 'both or neither; at most 4096 characters; never shown again';
const PERIOD = 'whole seconds, 0 to 315360000';
const ORGANIZATION_FIELDS = {
  upstream_registry: ['host[:port][/namespace]', 'the registry behind the organization'],
  upstream_registry_username: ['text or null', CREDENTIALS],
  upstream_registry_password: ['text or null', CREDENTIALS],
  upstream_ca_pem: [
    'PEM certificates or null; at most 64 KiB',
    'authorities that are trusted for this upstream beside the usual ones; shown as SHA-256 in `upstream_ca_fingerprints`',
  ],
  insecure: ['true or false', 'http instead of https'],
  staleness_period_s: [
    PERIOD,
    'how long after it was last confirmed an image is served whatever the upstream does; 0 = never unconfirmed',
  ],
  check_interval_s: [
    `${PERIOD}, at most the staleness period; or null`,
    'how long after it was last confirmed an image is served without asking; null = the staleness period, 0 = every pull asks',
  ],
  expiration_s: [PERIOD, 'how long after its last use an image is kept; 0 = for ever'],
  serve_when_removed: ['true or false', 'shield, too, when the upstream says that the image is gone'],
  serve_when_denied: ['true or false', 'shield, too, when the upstream refuses our credentials'],
  anonymous_pull: ['true or false', 'pull without signing in'],
  prefetch: [
    '`image`, `all_platforms` or `off`',
    'what is fetched in the background after a pull: what the pulled image still lacks, every platform of it, or nothing; signatures, attestations and SBOMs with it',
  ],
  prefetch_max_bytes: [
    'whole bytes, 1 to 1099511627776',
    'most bytes that are fetched in the background for one image',
  ],
  quota_bytes: [
    'whole bytes, `null`',
    'most bytes that are kept for the organization, the least recently pulled images going first; `null` = no quota',
  ],
};

/** The fields with the values that they may have, and in short. */
async function organizationSettings() {
  const { DEFAULT_VALUES } = await built('org-settings/dist/fields/settings-values.js');
  const { settingsView } = await built('org-settings/dist/fields/settings-view.js');
  const defaults = settingsView(DEFAULT_VALUES, false);
  const toldOnly = ['has_credentials', 'upstream_ca_fingerprints'];
  const shown = Object.keys(defaults).filter((name) => !toldOnly.includes(name));
  const names = ['upstream_registry', 'upstream_registry_username', 'upstream_registry_password', 'upstream_ca_pem'];
  const rows = saidOf([...names, ...shown.filter((name) => !names.includes(name))], ORGANIZATION_FIELDS).map(
    ([name, [values, meaning]]) => {
      const fallback = name in defaults && defaults[name] !== undefined ? code(defaults[name]) : 'none';
      return [code(name), name === 'upstream_registry' ? 'required' : fallback, values, meaning];
    },
  );
  return {
    'organization-settings': table(['field', 'default', 'values', 'meaning'], rows),
    'organization-settings-in-short': table(
      ['field', 'default', 'meaning'],
      rows.map(([field, fallback, , meaning]) => [field, fallback, meaning]),
    ),
  };
}

/** What the distribution-spec asks for, and which check of the conformance pack looks at it. */
async function specSections() {
  const { SPEC_SECTIONS } = await built('test-kit/dist/conformance/spec-sections.js');
  const looked = ({ checks = [], unchecked }) => (checks.length > 0 ? checks.map(code).join(', ') : unchecked);
  return SPEC_SECTIONS.map(({ title, sentences }) => {
    const rows = sentences.map((sentence) => [sentence.says, looked(sentence)]);
    return `### ${title}\n\n${table(['the spec says', 'is looked at by'], rows)}`;
  }).join('\n\n');
}

async function registryErrors() {
  const { REGISTRY_ERRORS } = await built('registry-core/dist/index.js');
  const rows = Object.entries(REGISTRY_ERRORS).map(([name, { status, message }]) => [code(name), status, message]);
  return table(['code', 'status', 'message, where there is no better one'], rows);
}

const CLASSES = {
  connect: 'no connection, or it broke',
  dns: 'the name of the upstream has no address',
  tls: 'no trusted TLS connection',
  timeout: 'no answer, or no more bytes, in time',
  server_error: 'the upstream answered 5xx',
  protocol: 'the upstream answered as no registry does',
  integrity: 'the bytes of the upstream do not match their digest',
  rate_limited: 'the upstream answered 429',
  blocked: 'the address of the upstream may not be dialled, see `BREAKWATER_UPSTREAM_ALLOWED_HOSTS`',
  auth: 'the token server of the upstream failed',
  removed: 'the upstream answered 404 or 410',
  denied: 'the upstream answered 401 after a fresh token, or 403',
  storage: 'our blob store failed',
  database: 'our database cannot be reached',
  overload: 'too much at once',
};
const SHIELDS = { always: 'yes', 'by-setting': 'by setting', never: 'ours' };

async function failureClasses() {
  const { FAILURE_CLASSES } = await built('registry-core/dist/index.js');
  const { pullFailure } = await built('proxy-cache/dist/http/pull-failure.js');
  const { UpstreamError } = await built('proxy-cache/dist/upstream/upstream-error.js');
  const answer = (name, hasCredentials) => {
    const { status, phrase, shields } = FAILURE_CLASSES[name];
    if (shields === 'never') return `${status} ${code('UNAVAILABLE')} ${phrase}`;
    const pull = { kind: 'manifest', upstreamName: '', hasCredentials };
    const error = pullFailure(new UpstreamError(name, ''), pull);
    return `${error.status} ${code(error.code)}${error.reasonPhrase === undefined ? '' : ` ${error.reasonPhrase}`}`;
  };
  const rows = saidOf(Object.keys(FAILURE_CLASSES), CLASSES).map(([name, meaning]) => {
    const [with_, without] = [answer(name, true), answer(name, false)];
    const shown = with_ === without ? with_ : `${with_}; without credentials ${without}`;
    return [code(name), meaning, SHIELDS[FAILURE_CLASSES[name].shields], shown];
  });
  return table(['class', 'what happened', 'shielded', 'answer when nothing may be served'], rows);
}

async function settingsErrors() {
  const { SETTINGS_ERRORS } = await built('org-settings/dist/errors.js');
  const { API_ERRORS } = await built('registry-http/dist/index.js');
  const all = [...Object.values(API_ERRORS), ...Object.values(SETTINGS_ERRORS)];
  const once = all.filter(({ message }, at) => all.findIndex((each) => each.message === message) === at);
  const rows = once
    .sort((one, other) => one.status - other.status)
    .map(({ status, type, message }) => [status, code(type), message]);
  return table(['status', '`error_type`', '`error_message`'], rows);
}

function embeddedPostgresErrors() {
  const text = source('packages/registry-host/src/embedded-postgres/failure.ts');
  const found = [...text.matchAll(/\/\*\* ([^*]+?) \*\/\n {2}\| '([A-Z_]+)'/g)];
  if (found.length === 0) throw new Error('the failures of the embedded Postgres are not where they were');
  return table(
    ['code', 'when'],
    found.map(([, said, name]) => [code(name), said]),
  );
}

const DEADLINES = {
  connectMs: 'name look-up and TCP connection',
  tlsMs: 'TLS handshake',
  headersMs: 'from the request to the response headers',
  idleMs: 'longest silence inside a body',
  manifestMs: 'a whole manifest',
  blobMs: 'a whole blob',
  checkBudgetMs: 'how long a pull waits for a check while a copy can be served',
  clientBudgetMs: 'how long a pull waits for its first byte when no copy can be served',
};

async function deadlines() {
  const { DEFAULT_DEADLINES } = await built('proxy-cache/dist/index.js');
  const rows = saidOf(Object.keys(DEFAULT_DEADLINES), DEADLINES).map(([name, meaning]) => [
    meaning,
    `${DEFAULT_DEADLINES[name] / 1000} s`,
  ]);
  return table(['what', 'at most'], rows);
}

async function metrics() {
  const { createMetrics } = await built('registry-host/dist/observe/metrics.js');
  const silent = new Proxy({}, { get: (_, name) => (name === 'events' ? new EventEmitter() : () => undefined) });
  const { addConnectionMetrics } = await built('registry-host/dist/observe/connection-metrics.js');
  const registry = createMetrics(silent, silent, silent);
  addConnectionMetrics(registry, () => ({ open: 0, refused: { all: 0, client: 0 } }));
  const { addRedisMetrics } = await built('registry-host/dist/observe/redis-metrics.js');
  addRedisMetrics(registry, () => undefined);
  const { addClockMetrics } = await built('registry-host/dist/observe/clock-metrics.js');
  addClockMetrics(registry, () => 0);
  const rows = registry
    .getMetricsAsArray()
    .map(({ name, labelNames, help }) => [code(name), labelNames.map(code).join(', '), help]);
  return table(['metric', 'labels', 'meaning'], rows);
}

async function schema() {
  const { startEmbeddedPostgres } = await built('registry-host/dist/index.js');
  const { registryHostMigrations } = await built('registry-host/dist/postgres/migrations/index.js');
  const { orgSettingsMigrations } = await built('org-settings/dist/index.js');
  const { proxyCacheMigrations } = await built('proxy-cache/dist/index.js');
  const { gcMigrations } = await built('gc/dist/index.js');
  const { silentLogger } = await built('registry-core/dist/index.js');
  const packages = {
    'registry-host': registryHostMigrations(),
    'org-settings': orgSettingsMigrations(),
    'proxy-cache': proxyCacheMigrations(),
    gc: gcMigrations(),
  };
  return tables(packages, (dataDirectory) =>
    startEmbeddedPostgres({ dataDirectory, durable: false, logger: silentLogger }),
  );
}

/** What the last whole run of the fault matrix that was kept came to. */
function faultResults() {
  const results = JSON.parse(source('docs/results/faults.json'));
  return { 'fault-results-summary': faultResultsSummary(results), 'fault-results': faultResultsTable(results) };
}

/** A file of docs/examples, which the checks compile. */
function example(file) {
  return `\`\`\`ts\n${source(`docs/examples/${file}`).trimEnd()}\n\`\`\``;
}
