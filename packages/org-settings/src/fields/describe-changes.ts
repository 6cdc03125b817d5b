import type { SettingsValues } from './settings-values.js';
import { settingsView } from './settings-view.js';

/** What an update did to the credentials. */
export type CredentialsOutcome = 'kept' | 'added' | 'replaced' | 'removed';

/** What was changed, for the audit: each field with its old and new value, of credentials only that they changed. */
export function describeChanges(
  before: SettingsValues,
  after: SettingsValues,
  credentials: CredentialsOutcome,
): Readonly<Record<string, unknown>> {
  const { has_credentials: _before, ...from } = settingsView(before, false);
  const { has_credentials: _after, ...to } = settingsView(after, false);
  const old = new Map<string, unknown>(Object.entries(from));
  const changed = Object.entries(to).filter(
    ([field, value]) => JSON.stringify(old.get(field)) !== JSON.stringify(value),
  );
  return {
    ...Object.fromEntries(changed.map(([field, value]) => [field, { from: old.get(field), to: value }])),
    ...(credentials === 'kept' ? {} : { credentials }),
  };
}
