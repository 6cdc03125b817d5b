import {
  formatUpstreamAddress,
  PREFETCH_MODES,
  parseUpstreamAddress,
  type UpstreamCredentials,
} from '@breakwater/registry-core';
import { z } from 'zod';
import type { FieldProblem } from '../errors.js';
import { readCertificates } from './certificates.js';
import { meantField } from './near-miss.js';
import { MAX_PREFETCH_BYTES, prefetchBytesProblem, prefetchModeProblem } from './prefetch.js';
import { quotaProblem } from './quota.js';
import { kindOf, MAX_SECONDS, secondsProblem } from './seconds.js';
import { checkPeriods, DEFAULT_VALUES, type SettingsValues } from './settings-values.js';

/** A body that was understood, or everything that is wrong with it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** What a POST asks for. */
export interface CreateRequest {
  readonly values: SettingsValues;
  readonly credentials?: UpstreamCredentials;
}

/** What a PUT asks of the credentials. What it does not name stays. */
export type CredentialsChange =
  | { readonly kind: 'keep' }
  | { readonly kind: 'remove' }
  | { readonly kind: 'rename'; readonly username: string }
  | { readonly kind: 'replace'; readonly username?: string; readonly password: string };

/** What a PUT asks for. */
export interface UpdateRequest {
  readonly values: Partial<SettingsValues>;
  readonly credentials: CredentialsChange;
}

/** Longest name or password, as Quay has it for the password. */
const MAX_CREDENTIAL_LENGTH = 4096;
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/** The words of one problem for every way in which a value can be wrong. */
type Problem = (value: unknown) => string;

/** Whole numbers within bounds: what the documentation says and what is checked are the same lines. */
function wholeNumber(least: number, most: number, problem: Problem) {
  const error = { error: (issue: { readonly input?: unknown }) => problem(issue.input), abort: true };
  return z.int(error).min(least, error).max(most, error);
}

const flag = z.boolean({ error: (issue) => `must be true or false, a JSON boolean; it is ${kindOf(issue.input)}` });
const seconds = wholeNumber(0, MAX_SECONDS, (value) => secondsProblem(value, false))
  // A JSON -0 is an integer and no period.
  .transform((value) => Math.abs(value));
const secondsOrNull = wholeNumber(0, MAX_SECONDS, (value) => secondsProblem(value, true))
  .transform((value) => Math.abs(value))
  .nullable();
const prefetchMode = z.enum(PREFETCH_MODES, { error: (issue) => prefetchModeProblem(issue.input) });
const prefetchBytes = wholeNumber(1, MAX_PREFETCH_BYTES, prefetchBytesProblem);
const quota = wholeNumber(1, Number.MAX_SAFE_INTEGER, quotaProblem).nullable();
const upstream = z
  .string({
    error: (issue) => `must be a text host[:port][/namespace], for example docker.io; it is ${kindOf(issue.input)}`,
  })
  .transform((text, context) => {
    const address = parseUpstreamAddress(text);
    if (!('problem' in address)) return formatUpstreamAddress(address);
    context.addIssue({ code: 'custom', message: address.problem });
    return z.NEVER;
  });
const credential = z
  .string({ error: (issue) => `must be a text, or null; it is ${kindOf(issue.input)}` })
  .max(MAX_CREDENTIAL_LENGTH, {
    error: `must be at most ${MAX_CREDENTIAL_LENGTH} characters long`,
    abort: true,
  });
const username = credential
  .superRefine((value, context) => {
    const problem = controlProblem(value) ?? (value.includes(':') ? 'must not hold a colon (RFC 7617)' : undefined);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .nullable();
const password = credential
  .superRefine((value, context) => {
    const problem = controlProblem(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .nullable();

const certificates = z
  .string({ error: (issue) => `must be a text of PEM certificates, or null; it is ${kindOf(issue.input)}` })
  .transform((value, context) => {
    const read = readCertificates(value);
    if (!('problem' in read)) return read.pem;
    context.addIssue({ code: 'custom', message: read.problem });
    return z.NEVER;
  })
  .nullable();

/** Fields of a body. Unknown ones pass, as with Quay, unless they look like slips. */
export const bodySchema = z.looseObject({
  upstream_registry: upstream
    .optional()
    .meta({ description: 'host[:port][/namespace] of the registry behind the organization' }),
  upstream_registry_username: username.optional().meta({ description: 'with a password, or null for neither' }),
  upstream_registry_password: password
    .optional()
    .meta({ description: 'with a user name, or null for neither; never shown again' }),
  upstream_ca_pem: certificates
    .optional()
    .meta({ description: 'PEM certificates that are trusted beside the usual ones, or null' }),
  insecure: flag.optional().meta({ description: 'http instead of https' }),
  staleness_period_s: seconds
    .optional()
    .meta({ description: 'age up to which an image is served whatever the upstream does; 0 = never unconfirmed' }),
  check_interval_s: secondsOrNull
    .optional()
    .meta({ description: 'age up to which a pull asks nobody; null = the staleness period, 0 = every pull asks' }),
  expiration_s: seconds.optional().meta({ description: 'how long after its last use an image is kept; 0 = for ever' }),
  serve_when_removed: flag
    .optional()
    .meta({ description: 'shield, too, when the upstream says that the image is gone' }),
  serve_when_denied: flag.optional().meta({ description: 'shield, too, when the upstream refuses our credentials' }),
  anonymous_pull: flag.optional().meta({ description: 'pull without signing in' }),
  prefetch: prefetchMode.optional().meta({ description: 'what of a pulled image is fetched behind the pull' }),
  prefetch_max_bytes: prefetchBytes.optional().meta({ description: 'largest image that is fetched behind a pull' }),
  quota_bytes: quota.optional().meta({ description: 'most bytes that are kept for the organization; null = no quota' }),
});
type Body = z.infer<typeof bodySchema>;

/** Reads the body of a POST. Never throws. */
export function parseCreateBody(body: unknown): Parsed<CreateRequest> {
  const { fields, problems } = readFields(body);
  const found = [...problems];
  if (isMissing(body, 'upstream_registry')) {
    found.unshift({
      field: 'upstream_registry',
      message: 'is required: host[:port][/namespace], for example docker.io or quay.io/prometheus',
    });
  }
  // Quay's clients say null or "" for no credentials.
  const name = fields.upstream_registry_username || undefined;
  const secret = fields.upstream_registry_password || undefined;
  if (problems.length === 0) found.push(...credentialsPair(name, secret));
  const values: SettingsValues = { ...DEFAULT_VALUES, upstream: '', ...namedValues(fields) };
  found.push(...checkPeriods(values));
  if (found.length > 0) return { ok: false, problems: found };
  return name === undefined || secret === undefined
    ? { ok: true, value: { values } }
    : { ok: true, value: { values, credentials: { username: name, password: secret } } };
}

/** Reads the body of a PUT. Never throws. What depends on the stored settings is not checked here. */
export function parseUpdateBody(body: unknown): Parsed<UpdateRequest> {
  const { fields, problems } = readFields(body);
  const credentials = credentialsChange(fields.upstream_registry_username, fields.upstream_registry_password);
  const found = [...problems, ...('problems' in credentials ? credentials.problems : [])];
  if (found.length > 0 || 'problems' in credentials) return { ok: false, problems: found };
  return { ok: true, value: { values: namedValues(fields), credentials } };
}

function readFields(body: unknown): { readonly fields: Body; readonly problems: readonly FieldProblem[] } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const message = `the body must be a JSON object, sent with Content-Type: application/json; it is ${kindOf(body)}`;
    return { fields: {}, problems: [{ field: undefined, message }] };
  }
  const misses = Object.keys(body).flatMap((name): FieldProblem[] => {
    const meant = meantField(name);
    return meant === undefined ? [] : [{ field: JSON.stringify(name), message: `is not a field; ${meant} is` }];
  });
  const parsed = bodySchema.safeParse(body);
  if (parsed.success) return { fields: parsed.data, problems: misses };
  const problems = parsed.error.issues.map((issue) => ({
    field: issue.path[0] === undefined ? undefined : String(issue.path[0]),
    message: issue.message,
  }));
  return { fields: {}, problems: [...problems, ...misses] };
}

function isMissing(body: unknown, field: string): boolean {
  return typeof body === 'object' && body !== null && !Array.isArray(body) && !Object.hasOwn(body, field);
}

/** The values that the body names, under their names in the code. */
function namedValues(fields: Body): Partial<SettingsValues> {
  return {
    ...(fields.upstream_registry === undefined ? {} : { upstream: fields.upstream_registry }),
    // Named with no value, it takes the one away that is there.
    ...(fields.upstream_ca_pem === undefined ? {} : { upstreamCaPem: fields.upstream_ca_pem ?? undefined }),
    ...(fields.insecure === undefined ? {} : { insecure: fields.insecure }),
    ...(fields.staleness_period_s === undefined ? {} : { stalenessPeriodS: fields.staleness_period_s }),
    ...(fields.check_interval_s === undefined ? {} : { checkIntervalS: fields.check_interval_s }),
    ...(fields.expiration_s === undefined ? {} : { expirationS: fields.expiration_s }),
    ...(fields.serve_when_removed === undefined ? {} : { serveWhenRemoved: fields.serve_when_removed }),
    ...(fields.serve_when_denied === undefined ? {} : { serveWhenDenied: fields.serve_when_denied }),
    ...(fields.anonymous_pull === undefined ? {} : { anonymousPull: fields.anonymous_pull }),
    ...(fields.prefetch === undefined ? {} : { prefetch: fields.prefetch }),
    ...(fields.prefetch_max_bytes === undefined ? {} : { prefetchMaxBytes: fields.prefetch_max_bytes }),
    ...(fields.quota_bytes === undefined ? {} : { quotaBytes: fields.quota_bytes }),
  };
}

function credentialsPair(name: string | undefined, secret: string | undefined): readonly FieldProblem[] {
  if ((name === undefined) === (secret === undefined)) return [];
  const missing = name === undefined ? 'upstream_registry_username' : 'upstream_registry_password';
  const given = name === undefined ? 'upstream_registry_password' : 'upstream_registry_username';
  return [{ field: missing, message: `must be given together with ${given}; leave out both for anonymous access` }];
}

function credentialsChange(
  name: string | null | undefined,
  secret: string | null | undefined,
): CredentialsChange | { readonly problems: readonly FieldProblem[] } {
  const empty: FieldProblem[] = [
    ...(name === '' ? ['upstream_registry_username'] : []),
    ...(secret === '' ? ['upstream_registry_password'] : []),
    // An empty box of a form must neither wipe a password nor look as if it had.
  ].map((field) => ({ field, message: 'must not be empty: leave it out to keep it, or send null to remove it' }));
  if (empty.length > 0) return { problems: empty };
  if (typeof secret === 'string') {
    if (name === null) return { problems: credentialsPair(undefined, secret) };
    return { kind: 'replace', password: secret, ...(name === undefined ? {} : { username: name }) };
  }
  if (typeof name === 'string') {
    return secret === null ? { problems: credentialsPair(name, undefined) } : { kind: 'rename', username: name };
  }
  return name === null || secret === null ? { kind: 'remove' } : { kind: 'keep' };
}

function controlProblem(value: string): string | undefined {
  return UNPRINTABLE.test(value) ? 'must not hold control characters such as a line feed at its end' : undefined;
}
