import { parseUpstreamAddress } from '@breakwater/registry-core';
import type { FieldProblem } from '../errors.js';
import type { Parsed, UpdateRequest } from './parse-body.js';
import { checkPeriods, type SettingsValues } from './settings-values.js';

/**
 * The values after an update, or why it is refused. Pure.
 *
 * A stored password goes only to the origin it was entered for (S13): otherwise whoever may change the settings could
 * read a colleague's password by pointing it to a host of their own. http instead of https is another origin, too (S8).
 */
export function applyUpdate(
  current: SettingsValues,
  hasCredentials: boolean,
  request: UpdateRequest,
): Parsed<SettingsValues> {
  const next = { ...current, ...request.values };
  const { kind } = request.credentials;
  const problems: FieldProblem[] = [...checkPeriods(next)];
  if (hasCredentials && (kind === 'keep' || kind === 'rename') && origin(current) !== origin(next)) {
    problems.push({
      field: 'upstream_registry_password',
      message:
        `must be given in the same request, because the upstream changes from ${origin(current)} to ${origin(next)} ` +
        'and a stored password is sent only to the registry it was entered for; null removes it',
    });
  }
  if (!hasCredentials && kind === 'rename') {
    problems.push({
      field: 'upstream_registry_password',
      message: 'must be given together with upstream_registry_username, since no password is stored',
    });
  }
  if (!hasCredentials && request.credentials.kind === 'replace' && request.credentials.username === undefined) {
    problems.push({
      field: 'upstream_registry_username',
      message: 'must be given together with upstream_registry_password, since no user name is stored',
    });
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: next };
}

/** Scheme, host and port that an upstream is reached under. */
function origin({ upstream, insecure }: SettingsValues): string {
  const address = parseUpstreamAddress(upstream);
  if ('problem' in address) return upstream;
  const scheme = insecure ? 'http' : 'https';
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const isDefault = address.port === undefined || address.port === (insecure ? 80 : 443);
  return `${scheme}://${host}${isDefault ? '' : `:${address.port}`}`;
}
