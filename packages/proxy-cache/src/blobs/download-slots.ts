import { type OrganizationName, RegistryError } from '@breakwater/registry-core';

/** How many downloads run at a time. What is cached never waits for one. */
export interface DownloadLimits {
  /** In this process, default 64. */
  readonly maxDownloads: number;
  /** For one organization, default 8, so that one cannot take the whole process. */
  readonly maxDownloadsPerOrganization: number;
  /** Longest wait for a turn in milliseconds, default 5,000. */
  readonly downloadQueueMs: number;
  /** How far this process may be behind before it takes no more downloads, in milliseconds, default 500. */
  readonly maxLagMs: number;
}

/** The defaults of requirement P15. */
export const DEFAULT_DOWNLOAD_LIMITS: DownloadLimits = {
  maxDownloads: 64,
  maxDownloadsPerOrganization: 8,
  downloadQueueMs: 5_000,
  maxLagMs: 500,
};

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

  /** @param lag says how far this process is behind */
  constructor(
    private readonly limits: DownloadLimits,
    private readonly lag: { recentMs(): number } = { recentMs: () => 0 },
  ) {}

  /**
   * Waits for a turn. Call what it resolves to, once, when the download has ended.
   * @throws RegistryError UNAVAILABLE with reason `overload` when the wait was in vain
   */
  async take(organization: OrganizationName): Promise<() => void> {
    if (this.lag.recentMs() > this.limits.maxLagMs) throw overloaded();
    if (!this.#isFree(organization)) await this.#wait(organization);
    else this.#occupy(organization);
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

  #wait(organization: OrganizationName): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        organization,
        go: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(overloaded());
      }, this.limits.downloadQueueMs);
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
