import type { OrganizationName } from '@breakwater/registry-core';
import type { SettingsValues } from './fields/settings-values.js';

/** The settings of one organization as they are stored. */
export interface StoredSettings {
  readonly organization: OrganizationName;
  readonly values: SettingsValues;
  /** The credentials, encrypted. */
  readonly sealed: Uint8Array | undefined;
  readonly credentialVersion: number;
  /** The change number of the last write: never the same for two states of an organization. */
  readonly version: number;
}

/** What was found, and the change number of the snapshot it was found in. */
export interface Snapshot {
  readonly changeNumber: number;
  readonly settings: StoredSettings | undefined;
}

/** What others have written since a change number. */
interface ChangesSince {
  readonly changeNumber: number;
  /** Organizations and their present settings; `undefined` when it cannot be told which ones changed. */
  readonly changed: ReadonlyMap<OrganizationName, StoredSettings | undefined> | undefined;
}

/** What a write says to the audit. */
export interface AuditEntry {
  /** The name of whoever did it. */
  readonly performedBy: string;
  /** Quay's kinds, and ours in their style. */
  readonly kind: string;
  /** What changed, without secrets. */
  readonly changes: Readonly<Record<string, unknown>>;
}

/** A new state of an organization's settings. */
export interface SettingsWrite {
  readonly organization: OrganizationName;
  readonly values: SettingsValues;
  readonly sealed: Uint8Array | undefined;
  /** Gives the settings a new credential version. */
  readonly renewsCredentials: boolean;
}

/** Reads settings. Every method throws RegistryError UNAVAILABLE when the database fails. */
export interface SettingsReads {
  read(organization: OrganizationName): Promise<Snapshot>;
  /** The settings that were changed last, at most `limit` of them. */
  readRecent(limit: number): Promise<{ readonly changeNumber: number; readonly settings: readonly StoredSettings[] }>;
  changeNumber(): Promise<number>;
  changesSince(changeNumber: number): Promise<ChangesSince>;
}

/** Something that was done to an organization. */
export interface AuditedChange extends AuditEntry {
  readonly changeNumber: number;
  /** Ms since the epoch. */
  readonly at: number;
}

/** Which entries are wanted: before a change number, and within a stretch of time, ms since the epoch. */
export interface AuditSearch {
  readonly organization: OrganizationName;
  readonly before: number | undefined;
  readonly from: number | undefined;
  readonly until: number | undefined;
  readonly performedBy: string | undefined;
  readonly limit: number;
}

/** Reads and writes what was done by others than the writers of settings. Throws as SettingsReads does. */
export interface AuditTrail {
  record(organization: OrganizationName, entry: AuditEntry): Promise<void>;
  /** Removes at most `limit` of the entries from before a time (ms since the epoch); resolves to how many. */
  prune(before: number, limit: number): Promise<number>;
  /** The latest first. */
  list(search: AuditSearch): Promise<readonly AuditedChange[]>;
}

/** Finds organizations by their upstream. Throws as SettingsReads does. */
export interface UpstreamReads {
  /** Organizations whose upstream is at one of these `host[:port]`, by name, at most `limit` of them. */
  proxying(
    hosts: readonly string[],
    limit: number,
  ): Promise<readonly { readonly organization: OrganizationName; readonly upstream: string }[]>;
}

/** Writes settings, with their audit row, in one transaction each. Throws as SettingsReads does. */
export interface SettingsWrites {
  /** `undefined` when the organization has settings already. */
  create(write: SettingsWrite, audit: AuditEntry): Promise<StoredSettings | undefined>;
  /** `undefined` when the settings are not at that version any more. */
  replace(version: number, write: SettingsWrite, audit: AuditEntry): Promise<StoredSettings | undefined>;
  /** The change number of the deletion; `undefined` when the settings are not at that version any more. */
  remove(version: number, organization: OrganizationName, audit: AuditEntry): Promise<number | undefined>;
}
