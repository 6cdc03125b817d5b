import {
  databaseUnavailable,
  type Logger,
  type OrganizationName,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  type RegistryError,
} from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { SecretBox } from '../credentials/secret-box.js';
import type { SettingsReads, StoredSettings } from '../settings-store.js';
import { ChangePoll } from './change-poll.js';
import { errorCode } from './error-code.js';
import { withDeadline } from './with-deadline.js';

export interface SettingsCopyOptions {
  readonly reads: SettingsReads;
  readonly box: SecretBox;
  readonly logger: Logger;
  /** How long a change by another process may go unnoticed, in ms. */
  readonly maxStaleMs: number;
}

/** Most proxy organizations in memory. */
const MAX_PROXY_ORGANIZATIONS = 10_000;
/** Most others: apart, since anybody can ask for names that do not exist and push the real ones out. */
const MAX_OTHERS = 10_000;
/** How long a pull waits for a database that does not answer. */
const COLD_READ_MS = 5_000;
/** Reads that were overtaken by a change are repeated so often. */
const MAX_READS = 3;

type Entry =
  | { readonly kind: 'settings'; readonly asOf: number; readonly settings: ProxyCacheSettings }
  | { readonly kind: 'none'; readonly asOf: number }
  | { readonly kind: 'unusable'; readonly asOf: number; readonly cause: unknown };

/**
 * The settings in memory. A hit asks nobody; a change by another process is seen within `maxStaleMs`, one here at once.
 *
 * Each entry carries the change number it was read at (`asOf`), and `#known` is the number up to which the whole copy is
 * known to be right: an entry is never replaced by an older one, and one from before `#known` is never put in, because
 * nobody would ever correct it.
 */
export class SettingsCopy implements ProxyCacheSettingsReader {
  readonly #reads: SettingsReads;
  readonly #box: SecretBox;
  readonly #logger: Logger;
  readonly #poll: ChangePoll;
  readonly #proxied = new LRUCache<OrganizationName, Entry>({ max: MAX_PROXY_ORGANIZATIONS });
  readonly #others = new LRUCache<OrganizationName, Entry>({ max: MAX_OTHERS });
  readonly #loads = new Map<OrganizationName, Promise<Entry>>();
  #known: number | undefined;

  constructor(options: SettingsCopyOptions) {
    this.#reads = options.reads;
    this.#box = options.box;
    this.#logger = options.logger;
    this.#poll = new ChangePoll({
      ask: () => this.#catchUp(),
      maxStaleMs: options.maxStaleMs,
      logger: options.logger,
    });
  }

  async find(organization: OrganizationName): Promise<ProxyCacheSettings | undefined> {
    const catchingUp = this.#poll.touch();
    if (catchingUp !== undefined) await catchingUp;
    const entry = this.#get(organization) ?? (await this.#load(organization));
    if (entry.kind === 'unusable') throw unusable(entry.cause);
    return entry.kind === 'settings' ? entry.settings : undefined;
  }

  /** Reads what is there, so that the pulls of these organizations do not need the database any more. */
  async fill(): Promise<void> {
    const { changeNumber, settings } = await this.#reads.readRecent(MAX_PROXY_ORGANIZATIONS);
    // Overtaken by a change that the copy knows of already: whoever is asked for will be read anew.
    if (changeNumber < (this.#known ?? 0)) return;
    // Oldest first: what is put in last stays longest.
    for (const stored of [...settings].reverse()) this.put(stored.organization, changeNumber, stored);
    this.#known ??= changeNumber;
  }

  /** Takes over what is known to be true as of a change number. */
  put(organization: OrganizationName, asOf: number, stored: StoredSettings | undefined): void {
    this.#remember(organization, this.#entry(asOf, stored));
  }

  /** Looks for what other processes wrote, now instead of in a while. Never rejects. */
  follow(): Promise<void> {
    return this.#poll.askNow();
  }

  close(): void {
    this.#poll.close();
  }

  #get(organization: OrganizationName): Entry | undefined {
    return this.#proxied.get(organization) ?? this.#others.get(organization);
  }

  /** Keeps the newer one of two entries, and returns it. */
  #remember(organization: OrganizationName, entry: Entry): Entry {
    const present = this.#get(organization);
    if (present !== undefined && present.asOf > entry.asOf) return present;
    const [home, other] = entry.kind === 'none' ? [this.#others, this.#proxied] : [this.#proxied, this.#others];
    other.delete(organization);
    home.set(organization, entry);
    return entry;
  }

  #load(organization: OrganizationName): Promise<Entry> {
    const running = this.#loads.get(organization);
    if (running !== undefined) return running;
    const load = withDeadline(this.#read(organization), COLD_READ_MS).finally(() => {
      this.#loads.delete(organization);
    });
    this.#loads.set(organization, load);
    return load;
  }

  async #read(organization: OrganizationName): Promise<Entry> {
    for (let reads = 1; ; reads += 1) {
      const { changeNumber, settings } = await this.#reads.read(organization);
      const entry = this.#entry(changeNumber, settings);
      this.#known ??= changeNumber;
      if (changeNumber >= this.#known) return this.#remember(organization, entry);
      if (reads === MAX_READS) return entry;
    }
  }

  /** Brings the copy up to date with what other processes wrote. */
  async #catchUp(): Promise<void> {
    const known = this.#known;
    const number = await this.#reads.changeNumber();
    if (known === undefined) {
      this.#known ??= number;
      return;
    }
    if (number === known) return;
    const { changeNumber, changed } = await this.#reads.changesSince(known);
    if (changed === undefined) {
      this.#proxied.clear();
      this.#others.clear();
    } else {
      for (const [organization, stored] of changed) {
        // Organizations that nobody asked for stay unread.
        if (this.#get(organization) !== undefined) this.put(organization, changeNumber, stored);
      }
    }
    this.#known = changeNumber;
  }

  #entry(asOf: number, stored: StoredSettings | undefined): Entry {
    if (stored === undefined) return { kind: 'none', asOf };
    const { organization, values, sealed, credentialVersion } = stored;
    try {
      const credentials = sealed === undefined ? {} : { credentials: this.#box.open(organization, sealed) };
      return { kind: 'settings', asOf, settings: { organization, ...values, ...credentials, credentialVersion } };
    } catch (error) {
      this.#logger.error(
        { organization, code: errorCode(error) },
        'the upstream credentials of this organization cannot be decrypted: restore the secret key, or enter them again',
      );
      return { kind: 'unusable', asOf, cause: error };
    }
  }
}

function unusable(cause: unknown): RegistryError {
  const message =
    'the upstream credentials of this organization cannot be decrypted: an operator must restore the secret key, ' +
    'or an administrator of the organization must enter the credentials again';
  return databaseUnavailable(cause, { message, detail: { problem: 'credentials_unreadable' } });
}
