import {
  FAILURE_CLASSES,
  type OrganizationName,
  parseUpstreamAddress,
  RegistryError,
  type UpstreamCredentials,
} from '@breakwater/registry-core';
import type { SecretBox } from './credentials/secret-box.js';
import { type FieldProblem, invalid, SettingsError } from './errors.js';
import { applyUpdate } from './fields/apply-update.js';
import { type CredentialsOutcome, describeChanges } from './fields/describe-changes.js';
import {
  type CreateRequest,
  type CredentialsChange,
  type Parsed,
  parseCreateBody,
  parseUpdateBody,
} from './fields/parse-body.js';
import { parseSample } from './fields/sample.js';
import type { SettingsValues } from './fields/settings-values.js';
import { settingsView } from './fields/settings-view.js';
import type { ConnectionReport, UpstreamCandidate, UpstreamProbe } from './ports.js';
import type { SettingsReads, SettingsWrites, StoredSettings } from './settings-store.js';

/** Says whether a version is the one that the caller means; `undefined` when the caller does not care. */
export type VersionCheck = ((version: number) => boolean) | undefined;

export interface SettingsEditorOptions {
  readonly reads: SettingsReads;
  readonly writes: SettingsWrites;
  readonly box: SecretBox;
  readonly probe: UpstreamProbe;
  /** Hears of every write here, before whoever asked for it does. */
  onWritten(organization: OrganizationName, changeNumber: number, stored: StoredSettings | undefined): void;
}

/** A write that loses against another one is tried again; one of them wins each time. */
const MAX_TRIES = 20;

/**
 * What the API does, without HTTP. Bodies are taken as they came and parsed here. Saving sends nothing to the upstream.
 * Every method throws SettingsError when it refuses and RegistryError UNAVAILABLE when the database fails.
 */
export class SettingsEditor {
  readonly #options: SettingsEditorOptions;

  constructor(options: SettingsEditorOptions) {
    this.#options = options;
  }

  /** The settings as they are stored now; `undefined` when there are none. */
  async read(organization: OrganizationName): Promise<StoredSettings | undefined> {
    return (await this.#options.reads.read(organization)).settings;
  }

  /** Creates settings from a body that somebody sent. */
  async create(organization: OrganizationName, body: unknown, performedBy: string): Promise<void> {
    const request = accepted(parseCreateBody(body));
    if ((await this.read(organization)) !== undefined) throw new SettingsError('ALREADY_EXISTS');
    await this.#checkAddress(request.values);
    await this.createTrusted(organization, request, performedBy);
  }

  /** Creates settings for the host itself: without asking whether the address is allowed now. */
  async createTrusted(organization: OrganizationName, request: CreateRequest, performedBy: string): Promise<void> {
    const { writes, box, onWritten } = this.#options;
    const { values, credentials } = request;
    const sealed = credentials === undefined ? undefined : box.seal(organization, credentials);
    const stored = await writes.create(
      { organization, values, sealed, renewsCredentials: true },
      { performedBy, kind: 'create_proxy_cache_config', changes: { ...settingsView(values, sealed !== undefined) } },
    );
    if (stored === undefined) throw new SettingsError('ALREADY_EXISTS');
    onWritten(organization, stored.version, stored);
  }

  /** Changes what the body names, and returns the whole. */
  async update(
    organization: OrganizationName,
    body: unknown,
    isMeant: VersionCheck,
    performedBy: string,
  ): Promise<StoredSettings> {
    const request = accepted(parseUpdateBody(body));
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const current = await this.#current(organization, isMeant);
      const values = accepted(applyUpdate(current.values, current.sealed !== undefined, request));
      const moves = values.upstream !== current.values.upstream || values.insecure !== current.values.insecure;
      // Only when it changes: raising a period in the middle of an outage must not fail because of what DNS says now.
      if (moves) await this.#checkAddress(values);
      const { sealed, outcome } = this.#changeCredentials(current, request.credentials);
      const changes = describeChanges(current.values, values, outcome);
      if (Object.keys(changes).length === 0) return current;
      const stored = await this.#options.writes.replace(
        current.version,
        { organization, values, sealed, renewsCredentials: moves || outcome !== 'kept' },
        { performedBy, kind: 'update_proxy_cache_config', changes },
      );
      if (stored !== undefined) {
        this.#options.onWritten(organization, stored.version, stored);
        return stored;
      }
    }
    throw tooManyWriters();
  }

  /**
   * Switches anonymous pull off where nobody has edited the settings since they were created; resolves to whether it
   * did. What somebody has decided since then is left alone: an edit moves the version on from the credentials' one.
   */
  async withdrawAnonymousPull(organization: OrganizationName, performedBy: string): Promise<boolean> {
    const current = await this.read(organization);
    if (current === undefined || !current.values.anonymousPull) return false;
    if (current.version !== current.credentialVersion || current.sealed !== undefined) return false;
    await this.update(organization, { anonymous_pull: false }, (version) => version === current.version, performedBy);
    return true;
  }

  /** Stops proxying. The content stays until it is collected. */
  async remove(organization: OrganizationName, isMeant: VersionCheck, performedBy: string): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const current = await this.#current(organization, isMeant);
      const change = await this.#options.writes.remove(current.version, organization, {
        performedBy,
        kind: 'delete_proxy_cache_config',
        changes: { upstream_registry: current.values.upstream },
      });
      if (change !== undefined) {
        this.#options.onWritten(organization, change, undefined);
        return;
      }
    }
    throw tooManyWriters();
  }

  /**
   * Tries what the settings would be if the body were saved, and saves nothing: the stored ones with what the body names,
   * or new ones. A stored password goes to the origin that it was entered for, and to no other (S13).
   */
  async test(organization: OrganizationName, body: unknown): Promise<ConnectionReport> {
    const sample = parseSample(body);
    const candidate = await this.#candidate(organization, body, sample.ok ? [] : sample.problems);
    return this.#options.probe.test(candidate, accepted(sample));
  }

  /** Asks the upstream whether a configuration works, and saves nothing. */
  async validate(organization: OrganizationName, body: unknown): Promise<'valid' | 'anonymous'> {
    const { values, credentials } = accepted(parseCreateBody(body));
    if ((await this.read(organization)) !== undefined) throw new SettingsError('ALREADY_EXISTS');
    await this.#checkAddress(values);
    try {
      return await this.#options.probe.validate(candidateOf(values, credentials));
    } catch (error) {
      throw probeFailure(error);
    }
  }

  async #candidate(
    organization: OrganizationName,
    body: unknown,
    found: readonly FieldProblem[],
  ): Promise<UpstreamCandidate> {
    const current = await this.read(organization);
    if (current === undefined) {
      const { values, credentials } = accepted(withProblems(parseCreateBody(body), found));
      return candidateOf(values, credentials);
    }
    const request = accepted(withProblems(parseUpdateBody(body), found));
    const values = accepted(applyUpdate(current.values, current.sealed !== undefined, request));
    const { sealed } = this.#changeCredentials(current, request.credentials);
    return candidateOf(values, sealed === undefined ? undefined : this.#openStored(organization, sealed));
  }

  async #current(organization: OrganizationName, isMeant: VersionCheck): Promise<StoredSettings> {
    const current = await this.read(organization);
    if (current === undefined) {
      throw new SettingsError('NOT_FOUND', {
        detail: 'Not Found: this organization has no proxy cache configuration; POST creates one',
      });
    }
    if (isMeant !== undefined && !isMeant(current.version)) {
      throw new SettingsError('PRECONDITION_FAILED', {
        detail:
          'Precondition Failed: If-Match does not name the present version, so somebody has changed the settings since ' +
          'they were read; GET them again and repeat the change with the new ETag',
      });
    }
    return current;
  }

  async #checkAddress({ upstream, insecure }: SettingsValues): Promise<void> {
    const address = parseUpstreamAddress(upstream);
    const isAllowed = !('problem' in address) && (await this.#options.probe.isAllowed(address, insecure));
    if (!isAllowed) throw new SettingsError('UPSTREAM_NOT_ALLOWED');
  }

  #changeCredentials(
    { organization, sealed }: StoredSettings,
    change: CredentialsChange,
  ): { readonly sealed: Uint8Array | undefined; readonly outcome: CredentialsOutcome } {
    const { box } = this.#options;
    if (change.kind === 'keep') return { sealed, outcome: 'kept' };
    if (change.kind === 'remove') return { sealed: undefined, outcome: sealed === undefined ? 'kept' : 'removed' };
    if (change.kind === 'replace' && change.username !== undefined) {
      const { username, password } = change;
      return { sealed: box.seal(organization, { username, password }), outcome: sealed ? 'replaced' : 'added' };
    }
    const known = this.#openStored(organization, sealed);
    const { kind: _kind, ...changed } = change;
    return { sealed: box.seal(organization, { ...known, ...changed }), outcome: 'replaced' };
  }

  #openStored(organization: OrganizationName, sealed: Uint8Array | undefined) {
    try {
      return this.#options.box.open(organization, sealed ?? new Uint8Array(0));
    } catch (cause) {
      const message =
        'must be given together with the other one, because the stored credentials cannot be decrypted (the secret ' +
        'key of the registry has changed)';
      throw new SettingsError('INVALID', {
        ...invalidDetail('upstream_registry_username and upstream_registry_password', message),
        cause,
      });
    }
  }
}

function candidateOf(
  { upstream, insecure, upstreamCaPem }: SettingsValues,
  credentials: UpstreamCredentials | undefined,
): UpstreamCandidate {
  return {
    upstream,
    insecure,
    ...(upstreamCaPem === undefined ? {} : { upstreamCaPem }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}

function invalidDetail(field: string, message: string) {
  const { detail, problems } = invalid([{ field, message }]);
  return { detail, problems };
}

/** What was read, together with what else is wrong with the same body. */
function withProblems<T>(parsed: Parsed<T>, found: readonly FieldProblem[]): Parsed<T> {
  if (found.length === 0) return parsed;
  return { ok: false, problems: parsed.ok ? found : [...parsed.problems, ...found] };
}

function accepted<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw invalid(parsed.problems);
}

/** What a failed validation tells: the failure class and no more, since the target may be somebody else's (S6). */
function probeFailure(error: unknown): unknown {
  const named = (error ?? {}) as { readonly class?: unknown; readonly failureClass?: unknown };
  const failureClass = named.class ?? named.failureClass;
  if (typeof failureClass !== 'string' || !isFailureClass(failureClass)) return error;
  if (failureClass === 'blocked') return new SettingsError('UPSTREAM_NOT_ALLOWED', { cause: error });
  if (failureClass === 'denied') return new SettingsError('LOGIN_FAILED', { reason: failureClass, cause: error });
  const { phrase } = FAILURE_CLASSES[failureClass];
  return new SettingsError('VALIDATION_FAILED', {
    detail: `Failed to validate Proxy cache configuration: ${phrase}`,
    reason: failureClass,
    cause: error,
  });
}

function isFailureClass(text: string): text is keyof typeof FAILURE_CLASSES {
  return Object.hasOwn(FAILURE_CLASSES, text);
}

function tooManyWriters(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'the settings are being changed by too many writers at once; try again');
}
