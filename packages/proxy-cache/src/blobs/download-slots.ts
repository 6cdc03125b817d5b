import { setTimeout as sleep } from 'node:timers/promises';
import { type OrganizationName, RegistryError } from '@breakwater/registry-core';

/** How many downloads run at a time. What is cached never waits for one. */
export interface DownloadLimits {
  /** In this process, default 64. */
  readonly maxDownloads: number;
  /** For one organization, default 8, so that one cannot take the whole process. */
  readonly maxDownloadsPerOrganization: number;
  /** Longest wait for a turn in milliseconds, that for the process to catch up included, default 5,000. */
  readonly downloadQueueMs: number;
  /** How far this process may be behind before it takes no more downloads, in milliseconds, default 500. */
  readonly maxLagMs: number;
  /**
   * How long a process that downloads is not heard of before another one takes over, in milliseconds, default 30,000
   * (P10). It is heard of three times as often.
   */
  readonly leaseMs: number;
}

/** The defaults of requirements P10 and P15. */
export const DEFAULT_DOWNLOAD_LIMITS: DownloadLimits = {
  maxDownloads: 64,
  maxDownloadsPerOrganization: 8,
  downloadQueueMs: 5_000,
  maxLagMs: 500,
  leaseMs: 30_000,
};

/** What of its turns an organization leaves to its clients: those in the background are taken from the rest only. */
const CLIENTS_SHARE = 0.5;

/** How often a process that is far behind looks whether it still is, in milliseconds. */
const LOOK_AGAIN_MS = 100;

interface Waiting {
  readonly organization: OrganizationName;
  readonly go: () => void;
}

/**
 * Turns for downloads. Who waits is served in the order of arrival, except that an organization which has all of its own
 * turns taken does not hold up the others.
 */
export class DownloadSlots {
  readonly #taken = new Map<OrganizationName, number>();
  readonly #waiting = new Set<Waiting>();
  #total = 0;

  /** @param lag says how far this process is behind @param onShed hears of clients that waited in vain */
  constructor(
    private readonly limits: DownloadLimits,
    private readonly lag: { recentMs(): number } = { recentMs: () => 0 },
    private readonly onShed: (organization: OrganizationName) => void = () => undefined,
  ) {}

  /**
   * Takes a turn for work that no client waits for: none while clients wait, or where clients would soon have to.
   * @throws RegistryError UNAVAILABLE with reason `overload` at once
   */
  takeInBackground(organization: OrganizationName): () => void {
    const { maxDownloads, maxDownloadsPerOrganization } = this.limits;
    const own = this.#taken.get(organization) ?? 0;
    const isFree =
      this.#waiting.size === 0 &&
      this.#total < Math.ceil(maxDownloads * CLIENTS_SHARE) &&
      own < Math.ceil(maxDownloadsPerOrganization * CLIENTS_SHARE);
    if (!isFree || this.lag.recentMs() > this.limits.maxLagMs) throw overloaded();
    this.#occupy(organization);
    return this.#onceReleased(organization);
  }

  /**
   * Waits for a turn. Call what it resolves to, once, when the download has ended.
   * @param queueMs the longest wait in milliseconds
   * @throws RegistryError UNAVAILABLE with reason `overload` when the wait was in vain
   */
  async take(organization: OrganizationName, queueMs = this.limits.downloadQueueMs): Promise<() => void> {
    try {
      await this.#take(organization, performance.now() + queueMs);
      return this.#onceReleased(organization);
    } catch (error) {
      this.onShed(organization);
      throw error;
    }
  }

  async #take(organization: OrganizationName, until: number): Promise<void> {
    await this.#caughtUp(until);
    if (!this.#isFree(organization)) await this.#wait(organization, until);
    else this.#occupy(organization);
  }

  /** A process that is far behind takes no more downloads. Many clients may wait for this one, so it is not refused at once. */
  async #caughtUp(until: number): Promise<void> {
    const { maxLagMs, downloadQueueMs } = this.limits;
    while (this.lag.recentMs() > maxLagMs) {
      if (performance.now() >= until) throw overloaded();
      await sleep(Math.min(LOOK_AGAIN_MS, downloadQueueMs));
    }
  }

  #onceReleased(organization: OrganizationName): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#release(organization);
    };
  }

  #isFree(organization: OrganizationName): boolean {
    const { maxDownloads, maxDownloadsPerOrganization } = this.limits;
    return this.#total < maxDownloads && (this.#taken.get(organization) ?? 0) < maxDownloadsPerOrganization;
  }

  #occupy(organization: OrganizationName): void {
    this.#total += 1;
    this.#taken.set(organization, (this.#taken.get(organization) ?? 0) + 1);
  }

  #release(organization: OrganizationName): void {
    this.#total -= 1;
    const left = (this.#taken.get(organization) ?? 1) - 1;
    if (left === 0) this.#taken.delete(organization);
    else this.#taken.set(organization, left);
    for (const waiting of this.#waiting) {
      if (!this.#isFree(waiting.organization)) continue;
      this.#waiting.delete(waiting);
      this.#occupy(waiting.organization);
      waiting.go();
      return;
    }
  }

  #wait(organization: OrganizationName, until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        organization,
        go: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(
        () => {
          this.#waiting.delete(waiting);
          reject(overloaded());
        },
        Math.max(0, until - performance.now()),
      );
      this.#waiting.add(waiting);
    });
  }
}

function overloaded(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'too many downloads from upstreams are under way; what is cached is served', {
    detail: { reason: 'overload' },
    headers: { 'retry-after': String(5 + Math.floor(Math.random() * 10)) },
    reasonPhrase: 'Registry Overloaded',
  });
}
