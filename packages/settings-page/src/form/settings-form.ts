import type { Prefetch, SettingsBody, SettingsView } from '../api/shapes.js';
import { MOST_PREFETCH_BYTES, MOST_QUOTA_BYTES, parseSize, sizeFrom, type TypedSize } from '../words/byte-size.js';
import { parsePeriod, periodFrom, type TypedPeriod } from '../words/duration.js';
import type { Clocks } from '../words/period-sentences.js';

/** When a pull asks the upstream: once per staleness period, every time, or every so often. */
export type CheckChoice = 'once' | 'always' | 'interval';

/** The settings as they stand in the form, as typed. */
export interface SettingsForm {
  readonly upstream: string;
  readonly username: string;
  readonly password: string;
  /** Whether stored credentials go with the next save. */
  readonly removeCredentials: boolean;
  readonly insecure: boolean;
  readonly staleness: TypedPeriod;
  readonly check: CheckChoice;
  readonly checkInterval: TypedPeriod;
  readonly expiration: TypedPeriod;
  readonly serveWhenRemoved: boolean;
  readonly serveWhenDenied: boolean;
  readonly anonymousPull: boolean;
  readonly prefetch: Prefetch;
  readonly prefetchMax: TypedSize;
  /** Whether there is a quota; then `quota` is what it is. */
  readonly hasQuota: boolean;
  readonly quota: TypedSize;
  readonly certificates: string;
  readonly removeCertificates: boolean;
}

/** Fields of the API that the form shows, with the names that people read. */
export const FIELD_LABELS = {
  upstream_registry: 'Remote registry',
  upstream_registry_username: 'Remote registry username',
  upstream_registry_password: 'Remote registry password',
  upstream_ca_pem: 'Certificates',
  insecure: 'Insecure',
  expiration_s: 'Expiration',
  staleness_period_s: 'Staleness period',
  check_interval_s: 'Check interval',
  serve_when_removed: 'Serve when the upstream says that an image is gone',
  serve_when_denied: 'Serve when the upstream refuses our credentials',
  anonymous_pull: 'Pull without signing in',
  prefetch: 'Fetch in the background',
  prefetch_max_bytes: 'Most to fetch for one image',
  quota_bytes: 'Quota',
} as const;
export type FieldName = keyof typeof FIELD_LABELS;

/** What is wrong, by field; the sentences begin after the name of the field. */
export type FieldProblems = Readonly<Partial<Record<FieldName, string>>>;

/** What a new configuration begins with: the defaults of the API. */
const NEW_FORM: SettingsForm = {
  upstream: '',
  username: '',
  password: '',
  removeCredentials: false,
  insecure: false,
  staleness: { amount: '1', unit: 'days' },
  check: 'once',
  checkInterval: { amount: '1', unit: 'hours' },
  expiration: { amount: '1', unit: 'days' },
  serveWhenRemoved: true,
  serveWhenDenied: true,
  anonymousPull: false,
  prefetch: 'image',
  prefetchMax: { amount: '10', unit: 'GiB' },
  hasQuota: false,
  quota: { amount: '100', unit: 'GiB' },
  certificates: '',
  removeCertificates: false,
};

/** The form for what is stored, or for a new configuration. */
export function formFrom(view: SettingsView | undefined): SettingsForm {
  if (view === undefined) return NEW_FORM;
  const interval = view.check_interval_s;
  return {
    ...NEW_FORM,
    upstream: view.upstream_registry,
    insecure: view.insecure,
    staleness: periodFrom(view.staleness_period_s),
    check: interval === null ? 'once' : interval === 0 ? 'always' : 'interval',
    ...(interval === null || interval === 0 ? {} : { checkInterval: periodFrom(interval) }),
    expiration: periodFrom(view.expiration_s),
    serveWhenRemoved: view.serve_when_removed,
    serveWhenDenied: view.serve_when_denied,
    anonymousPull: view.anonymous_pull,
    prefetch: view.prefetch,
    prefetchMax: sizeFrom(view.prefetch_max_bytes),
    hasQuota: view.quota_bytes !== null,
    ...(view.quota_bytes === null ? {} : { quota: sizeFrom(view.quota_bytes) }),
  };
}

/** The clocks that the form would set, as far as what is typed makes sense. */
export function clocksOf(form: SettingsForm): Clocks | undefined {
  const staleness = parsePeriod(form.staleness);
  const check = checkIntervalOf(form);
  const expiration = parsePeriod(form.expiration);
  if ('problem' in staleness || 'problem' in check || 'problem' in expiration) return undefined;
  return { stalenessS: staleness.seconds, checkS: check.seconds, expirationS: expiration.seconds };
}

/** What can be seen to be wrong before the API is asked. */
export function problemsOf(form: SettingsForm, view: SettingsView | undefined): FieldProblems {
  const problems: Partial<Record<FieldName, string>> = {};
  const staleness = parsePeriod(form.staleness);
  const check = checkIntervalOf(form);
  const expiration = parsePeriod(form.expiration);
  const size = parseSize(form.prefetchMax, MOST_PREFETCH_BYTES);
  const quota = quotaOf(form);
  if (form.upstream.trim() === '') {
    problems.upstream_registry = 'is required: host[:port][/namespace], for example docker.io';
  }
  if ('problem' in staleness) problems.staleness_period_s = staleness.problem;
  if ('problem' in check) problems.check_interval_s = check.problem;
  else if (check.seconds !== null && 'seconds' in staleness && check.seconds > staleness.seconds) {
    problems.check_interval_s = 'must not be longer than the staleness period';
  }
  if ('problem' in expiration) problems.expiration_s = expiration.problem;
  if ('problem' in size) problems.prefetch_max_bytes = size.problem;
  if ('problem' in quota) problems.quota_bytes = quota.problem;
  const stored = view?.has_credentials === true && !form.removeCredentials;
  if (form.username.trim() !== '' && form.password === '' && !stored) {
    problems.upstream_registry_password = 'must be given together with the username';
  }
  if (form.password !== '' && form.username.trim() === '' && !stored) {
    problems.upstream_registry_username = 'must be given together with the password';
  }
  return problems;
}

/** The body of a POST that creates what the form says. The form must have no problems. */
export function creationBody(form: SettingsForm): SettingsBody {
  return { ...valuesOf(form), ...credentialsOf(form), ...certificatesOf(form) };
}

/** The body of a PUT that makes of what is stored what the form says: only what differs. */
export function changesOf(form: SettingsForm, view: SettingsView): SettingsBody {
  const changed = Object.entries(valuesOf(form)).filter(
    ([field, value]) => view[field as keyof SettingsView] !== value,
  ) as [keyof SettingsBody, never][];
  return { ...Object.fromEntries(changed), ...credentialsOf(form), ...certificatesOf(form) };
}

/** Whether the form says anything but what is stored. */
export function isChanged(form: SettingsForm, view: SettingsView | undefined): boolean {
  if (Object.keys(problemsOf(form, view)).length > 0) return !isSame(form, formFrom(view));
  return view === undefined ? !isSame(form, NEW_FORM) : Object.keys(changesOf(form, view)).length > 0;
}

/**
 * The form after somebody else has changed what is stored: what was changed in the form stays as it is, the rest becomes
 * what is stored now.
 */
export function rebase(form: SettingsForm, before: SettingsView | undefined, now: SettingsView): SettingsForm {
  const base = formFrom(before);
  const next = formFrom(now);
  const mine = Object.entries(form).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(base[key as keyof SettingsForm]),
  );
  return { ...next, ...Object.fromEntries(mine) };
}

/** What of the settings can be seen, with the names that people read. */
const VIEW_LABELS = {
  ...FIELD_LABELS,
  has_credentials: 'Credentials',
  upstream_ca_fingerprints: 'Certificates',
} as const satisfies Readonly<Partial<Record<keyof SettingsView | FieldName, string>>>;

/** A field that somebody else has changed. */
export interface Difference {
  readonly field: keyof SettingsView;
  readonly label: string;
  readonly before: unknown;
  readonly now: unknown;
}

/** What somebody else has changed, field by field, of what can be seen: a password that was replaced cannot. */
export function differences(before: SettingsView | undefined, now: SettingsView): readonly Difference[] {
  return (Object.keys(now) as (keyof SettingsView)[])
    .map((field) => ({ field, label: VIEW_LABELS[field], before: before?.[field], now: now[field] }))
    .filter((each) => JSON.stringify(each.before) !== JSON.stringify(each.now));
}

function checkIntervalOf(form: SettingsForm): { readonly seconds: number | null } | { readonly problem: string } {
  if (form.check === 'once') return { seconds: null };
  return form.check === 'always' ? { seconds: 0 } : parsePeriod(form.checkInterval);
}

function quotaOf(form: SettingsForm): { readonly bytes: number | null } | { readonly problem: string } {
  return form.hasQuota ? parseSize(form.quota, MOST_QUOTA_BYTES) : { bytes: null };
}

function valuesOf(form: SettingsForm): SettingsBody {
  const clocks = clocksOf(form);
  const size = parseSize(form.prefetchMax, MOST_PREFETCH_BYTES);
  const quota = quotaOf(form);
  if (clocks === undefined || 'problem' in size || 'problem' in quota)
    throw new Error('a form with problems has no values');
  return {
    upstream_registry: form.upstream.trim(),
    insecure: form.insecure,
    expiration_s: clocks.expirationS,
    staleness_period_s: clocks.stalenessS,
    check_interval_s: clocks.checkS,
    serve_when_removed: form.serveWhenRemoved,
    serve_when_denied: form.serveWhenDenied,
    anonymous_pull: form.anonymousPull,
    prefetch: form.prefetch,
    prefetch_max_bytes: size.bytes,
    quota_bytes: quota.bytes,
  };
}

function credentialsOf(form: SettingsForm): SettingsBody {
  const username = form.username.trim();
  if (username !== '' || form.password !== '') {
    return {
      ...(username === '' ? {} : { upstream_registry_username: username }),
      ...(form.password === '' ? {} : { upstream_registry_password: form.password }),
    };
  }
  return form.removeCredentials ? { upstream_registry_password: null } : {};
}

function certificatesOf(form: SettingsForm): SettingsBody {
  if (form.certificates.trim() !== '') return { upstream_ca_pem: form.certificates };
  return form.removeCertificates ? { upstream_ca_pem: null } : {};
}

function isSame(one: SettingsForm, other: SettingsForm): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
