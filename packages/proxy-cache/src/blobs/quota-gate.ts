import type { Logger, ProxyCacheSettings } from '@breakwater/registry-core';
import type { Quota, StorageQuota } from '../ports.js';

/** Whether a blob is to be stored. */
export interface Admission {
  readonly isKept: boolean;
  /** To be called once, when it has been stored or will not be. */
  end(isStored: boolean): void;
}

const KEPT: Admission = { isKept: true, end: () => undefined };
const NOT_KEPT: Admission = { isKept: false, end: () => undefined };

/** Asks whether what is pulled fits into the quota of its organization (F126). */
export class QuotaGate {
  constructor(
    private readonly quota: StorageQuota | undefined,
    private readonly logger: Logger,
  ) {}

  /** Never rejects: when nobody can say, the pull is more important than the quota. */
  async admit(settings: ProxyCacheSettings, bytes: number): Promise<Admission> {
    const of = quotaOf(settings);
    if (this.quota === undefined || of === undefined) return KEPT;
    try {
      const end = await this.quota.reserve(of, bytes);
      return end === undefined ? NOT_KEPT : { isKept: true, end };
    } catch (error) {
      this.logger.warn({ err: error, organization: of.organization }, 'a quota could not be looked up');
      return KEPT;
    }
  }

  /** How an organization stands; `undefined` when it has no quota. @throws what the port throws */
  async state(
    settings: ProxyCacheSettings,
  ): Promise<{ readonly limitBytes: number; readonly usedBytes: number; readonly isFull: boolean } | undefined> {
    const of = quotaOf(settings);
    if (this.quota === undefined || of === undefined) return undefined;
    return { limitBytes: of.quotaBytes, ...(await this.quota.state(of)) };
  }
}

function quotaOf({ organization, upstream, quotaBytes }: ProxyCacheSettings): Quota | undefined {
  return typeof quotaBytes === 'number' ? { organization, upstream, quotaBytes } : undefined;
}
