/** Longest key and longest value of a KeyValueStore, in UTF-16 units. */
export const MAX_SHARED_KEY_LENGTH = 256;
export const MAX_SHARED_VALUE_LENGTH = 64 * 1024;

/**
 * Texts that the processes of a cluster share for a while. Nothing in it is needed: it saves work that can be done again.
 *
 * No method ever rejects or takes long: a store that fails or hangs gives misses and keeps nothing. What is longer than
 * MAX_SHARED_KEY_LENGTH and MAX_SHARED_VALUE_LENGTH is not kept. Values may be secrets, so a store outside of the process
 * encrypts them; keys may not.
 */
export interface KeyValueStore {
  /** The value that was set last and whose lifetime is not over; `undefined` when there is none, or none to be had. */
  get(key: string): Promise<string | undefined>;
  /** Keeps a value for at most `lifetimeMs` milliseconds; it may be gone sooner. With a lifetime of 0 or less it is deleted. */
  set(key: string, value: string, lifetimeMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Whether a KeyValueStore keeps such a value. */
export function isKeepable(key: string, value: string, lifetimeMs: number): boolean {
  return (
    key.length <= MAX_SHARED_KEY_LENGTH &&
    value.length <= MAX_SHARED_VALUE_LENGTH &&
    Number.isFinite(lifetimeMs) &&
    lifetimeMs > 0
  );
}
