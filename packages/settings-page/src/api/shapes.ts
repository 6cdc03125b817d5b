/** Somebody who is signed in. */
export interface Session {
  readonly username: string;
  /** What writes have to send; `null` where requests are let in by other means. */
  readonly csrf_token: string | null;
}

/** An organization, and what the one who asks may do there. */
export interface Organization {
  readonly name: string;
  readonly role: 'admin' | 'member' | null;
  /** Whether they may change its settings. */
  readonly is_org_admin: boolean;
  /** `null` while it proxies nothing. */
  readonly upstream_registry: string | null;
}

/** A part of a list; `next_page` is there when it goes on. */
export interface OrganizationList {
  readonly organizations: readonly Organization[];
  readonly next_page?: string;
}

/** What is fetched in the background after a pull. */
export type Prefetch = 'image' | 'all_platforms' | 'off';

/** The settings as the API shows them; periods in seconds. */
export interface SettingsView {
  readonly upstream_registry: string;
  readonly insecure: boolean;
  readonly expiration_s: number;
  readonly staleness_period_s: number;
  readonly check_interval_s: number | null;
  readonly serve_when_removed: boolean;
  readonly serve_when_denied: boolean;
  readonly anonymous_pull: boolean;
  readonly prefetch: Prefetch;
  readonly prefetch_max_bytes: number;
  /** `null` = no quota. */
  readonly quota_bytes: number | null;
  readonly has_credentials: boolean;
  readonly upstream_ca_fingerprints: readonly string[];
}

/** What is stored, with the entity tag that a change has to name. */
export interface StoredSettings {
  readonly view: SettingsView;
  readonly etag: string;
}

/** Fields to write. A field that a PUT leaves out stays; `null` removes. */
export type SettingsBody = Partial<{
  upstream_registry: string;
  upstream_registry_username: string | null;
  upstream_registry_password: string | null;
  upstream_ca_pem: string | null;
  insecure: boolean;
  expiration_s: number;
  staleness_period_s: number;
  check_interval_s: number | null;
  serve_when_removed: boolean;
  serve_when_denied: boolean;
  anonymous_pull: boolean;
  prefetch: Prefetch;
  prefetch_max_bytes: number;
  quota_bytes: number | null;
}>;

/** Counts by kind, then by failure class. What did not happen is left out. */
export type Counts = Readonly<Partial<Record<EventKind, Readonly<Record<string, number>>>>>;
export type EventKind =
  | 'shielded_pull'
  | 'masked_error'
  | 'passed_error'
  | 'credentials_rejected'
  | 'rate_limit_low'
  | 'prefetch_failed'
  | 'integrity_failure'
  | 'not_stored';

/** How many pulls were saved, and how many errors masked or passed on. */
export interface EventSums {
  readonly shielded_pulls: number;
  readonly masked_errors: number;
  readonly passed_errors: number;
}

/** How an organization's cache is. Times are ISO 8601, `null` for what is not known. */
export interface Health {
  readonly status: 'up' | 'down' | 'unknown';
  /** The registry's time as it answered. */
  readonly at: string;
  readonly upstream: string;
  readonly origin: string | null;
  readonly known_down_since: string | null;
  readonly failure_class: string | null;
  readonly upstream_status: number | null;
  readonly next_check_at: string | null;
  readonly retry_after_until: string | null;
  readonly last_success_at: string | null;
  readonly last_failure_at: string | null;
  readonly rate_limit: {
    readonly limit: number | null;
    readonly remaining: number | null;
    readonly at: string | null;
    /** Whether so little is left that nothing is asked which can wait. */
    readonly low: boolean;
  };
  readonly cached: {
    readonly tags: number;
    readonly lapsed: number;
    readonly counted_up_to: number;
    readonly oldest_confirmed_at: string | null;
  };
  /** What cached images refer to and is not stored yet. */
  readonly missing: {
    readonly contents: number;
    readonly bytes: number;
    readonly queued: number;
    readonly too_large: number;
    readonly given_up: number;
    readonly counted_up_to: number;
  };
  /** `failing`: within the last minutes something that clients got could not be kept. */
  readonly storage: { readonly status: 'ok' | 'failing'; readonly last_failure_at: string | null };
  /** `full`: pulls are streamed through and not kept. */
  readonly quota: {
    readonly status: 'none' | 'ok' | 'full';
    readonly limit_bytes: number | null;
    readonly used_bytes: number | null;
    readonly last_not_stored_at: string | null;
  };
  /** `held`: garbage collection takes nothing that came from the upstream. */
  readonly hold: {
    readonly held: boolean;
    readonly reason: string | null;
    readonly since: string | null;
    readonly until: string | null;
  };
  /** What happened since the upstream is known to be down; `null` while it is not. */
  readonly outage: EventSums | null;
  readonly last_24h: EventSums & {
    readonly counts: Counts;
    /** When each kind happened last. */
    readonly latest: Readonly<Partial<Record<EventKind, string>>>;
  };
}

export type TimelinePeriod = '24h' | '7d' | '30d';

/** A stretch of the timeline. Buckets in which nothing happened are left out. */
export interface Events {
  readonly period: TimelinePeriod;
  readonly by: 'minute' | 'hour' | 'day';
  readonly from: string;
  readonly to: string;
  readonly buckets: readonly EventBucket[];
  /** Where the listing goes on, if it does. */
  readonly next_page?: string;
}

export interface EventBucket {
  readonly start: string;
  readonly counts: Counts;
}

export type TagState = 'fresh' | 'stale' | 'lapsed';
export type TagSort = 'reference' | 'last_pull' | 'confirmed';

/** A cached tag, and what is left of each of its clocks. */
export interface CachedTag {
  /** `repository:tag` without the organization. */
  readonly reference: string;
  readonly repository: string;
  readonly digest: string;
  /** Bytes; `null` when they are not known. */
  readonly size: number | null;
  readonly state: TagState;
  readonly age_s: number;
  readonly fresh_until: string;
  /** `null` = never without a confirmation. */
  readonly shielded_until: string | null;
  readonly last_pull: string;
  /** `null` = for ever. */
  readonly kept_until: string | null;
  /** `null` = not known. */
  readonly complete: boolean | null;
  readonly pinned: boolean;
}

/** Which cached tags are wanted, and in which order. */
export interface TagQuery {
  readonly search?: string;
  readonly state?: TagState;
  readonly pinned?: true;
  readonly sort: TagSort;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly next_page?: string;
}

/** A page of cached tags. A total of `counted_up_to` means at least so many. */
export interface TagPage {
  readonly tags: readonly CachedTag[];
  readonly total: number;
  readonly counted_up_to: number;
  readonly next_page?: string;
}

/** What came of asking the upstream now. */
export interface CheckResult {
  readonly reference: string;
  readonly outcome: 'confirmed' | 'moved' | 'failed' | 'not_cached';
  readonly failure_class: string | null;
}

/** What a purge takes. */
export type PurgeSelection =
  | { readonly tag: string }
  | { readonly repository: string }
  | { readonly all: true }
  | { readonly older_than_s: number };

/** What a purge would take, or has taken. `null` bytes are not known. */
export interface Purge {
  readonly purge_id: string;
  readonly tags: number;
  /** The first hundred of them. */
  readonly references: readonly string[];
  readonly pinned_kept: number;
  readonly changed_kept: number;
  readonly bytes_freed: number | null;
  readonly bytes_shared: number | null;
  readonly upstream_down: boolean;
}

/** What came of a step of a connection test; `ok` is `null` for one that was not taken. */
export interface ConnectionStep {
  readonly step: string;
  readonly ok: boolean | null;
  /** A failure class, or why it was not taken. */
  readonly reason: string | null;
}

/** How far a connection test got. */
export interface ConnectionReport {
  readonly ok: boolean;
  readonly steps: readonly ConnectionStep[];
  readonly rate_limit: { readonly limit: number; readonly remaining: number } | null;
}

/** Images that are being fetched, and those of a manifest that are not, with the reason. */
export interface WarmBegun {
  readonly id: string;
  readonly references: readonly string[];
  readonly ignored: readonly { readonly image: string; readonly why: string }[];
}

export type WarmState = 'waiting' | 'fetching' | 'done' | 'failed';

/** How far a request to fetch images is. */
export interface WarmProgress {
  readonly finished: boolean;
  readonly counts: Readonly<Record<WarmState, number>>;
  readonly references: readonly {
    readonly reference: string;
    readonly state: WarmState;
    readonly fetched_bytes: number;
    readonly failure: { readonly message: string } | null;
  }[];
}
