import { FAILURE_CLASSES, RegistryError } from '@breakwater/registry-core';

/** Seconds after which a client may try again. */
const RETRY_AFTER_S = '5';

/** A failure of our own database. It says nothing about the upstream, so it is never taken for a missing setting. */
export function databaseUnavailable(cause: unknown): RegistryError {
  return unavailable('the settings cannot be reached: the database is unavailable', {}, cause);
}

/** Settings that are there and cannot be used: a failure of that organization only. */
export function settingsUnusable(message: string, problem: string, cause: unknown): RegistryError {
  return unavailable(message, { problem }, cause);
}

function unavailable(message: string, detail: Readonly<Record<string, unknown>>, cause: unknown): RegistryError {
  const { status, phrase } = FAILURE_CLASSES.database;
  return new RegistryError('UNAVAILABLE', message, {
    status,
    detail: { reason: 'database', ...detail },
    headers: { 'retry-after': RETRY_AFTER_S },
    reasonPhrase: phrase,
    cause,
  });
}

/** What a log line may say of an error: its code. Messages of database drivers repeat whole statements. */
export function errorCode(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown';
}
