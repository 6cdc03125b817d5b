import { randomUUID } from 'node:crypto';
import type { Clock, Digest, Logger, ProxyCacheSettings, RepositoryName } from '@breakwater/registry-core';
import type { ContentFootprint, FootprintBytes } from '../ports.js';
import type { Purged, PurgePlanTable } from '../postgres/purge-plan-table.js';
import type { CachedTags } from '../tags/cached-tags.js';
import type { PurgedTag, PurgePlan, PurgeTarget } from './purge-plan.js';

/** What a purge would do. */
export interface PurgePreview {
  readonly plan: PurgePlan;
  readonly tags: number;
  /** The first of them, by name. */
  readonly first: readonly PurgedTag[];
  /** Tags that stay because they are pinned. */
  readonly pinned: number;
  /** What garbage collection can free afterwards; `undefined` when the host cannot say. */
  readonly bytes: FootprintBytes | undefined;
}

/** A purge that is about to be carried out. */
export interface AnnouncedPurge {
  readonly target: PurgeTarget;
  readonly tags: number;
  /** The first of them, by name. */
  readonly first: readonly PurgedTag[];
}

/** How long a preview can be carried out, ms. */
export const PLAN_MS = 60 * 60_000;
const SHOWN = 100;
/** Tags of a purge that are named when it is carried out. */
const ANNOUNCED = 20;

export interface CachePurgeParts {
  readonly plans: PurgePlanTable;
  readonly tags: Pick<CachedTags, 'forgetAll'>;
  readonly footprint: ContentFootprint | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Removes cached tags, after saying which: what was previewed is written down, and exactly that is removed. */
export class CachePurge {
  constructor(private readonly parts: CachePurgeParts) {}

  /** Removes nothing. */
  async preview(settings: ProxyCacheSettings, target: PurgeTarget): Promise<PurgePreview> {
    const { plans, footprint, clock } = this.parts;
    const { organization, upstream } = settings;
    const plan = { id: randomUUID(), organization, upstream, target, madeAt: clock.now() };
    await plans.prune(clock.now() - PLAN_MS);
    await plans.make(plan);
    const { count, first } = await plans.tags(plan.id, SHOWN);
    const pinned = await plans.pinned(plan);
    return { plan, tags: count, first, pinned, bytes: footprint && (await this.#bytesIfKnown(plan, footprint)) };
  }

  /**
   * Carries out a preview of this upstream; `undefined` when there is none, or none any more.
   * @param announce hears what goes before anything does; nothing goes when it rejects
   */
  async carryOut(
    settings: ProxyCacheSettings,
    id: string,
    announce: (going: AnnouncedPurge) => Promise<void>,
  ): Promise<(Purged & { readonly plan: PurgePlan }) | undefined> {
    const { plans, tags, clock } = this.parts;
    const plan = await plans.find(id, settings.organization);
    if (plan === undefined || plan.upstream !== settings.upstream) return undefined;
    if (clock.now() - plan.madeAt >= PLAN_MS) return undefined;
    const { count, first } = await plans.tags(plan.id, ANNOUNCED);
    await announce({ target: plan.target, tags: count, first });
    const purged = await plans.carryOut(plan);
    tags.forgetAll();
    return { ...purged, plan };
  }

  /** Of very much it may take too long to find out. The purge can be carried out all the same. */
  async #bytesIfKnown(plan: PurgePlan, footprint: ContentFootprint): Promise<FootprintBytes | undefined> {
    try {
      return await this.#bytes(plan, footprint);
    } catch (error) {
      this.parts.logger.warn(
        { err: error, organization: plan.organization },
        'what a purge frees could not be found out',
      );
      return undefined;
    }
  }

  async #bytes(plan: PurgePlan, footprint: ContentFootprint): Promise<FootprintBytes> {
    const { going, staying } = await this.parts.plans.footprint(plan);
    const manifests = (rows: readonly { readonly repository: string; readonly digest: string }[]) =>
      rows.map(({ repository, digest }) => ({ repository: repository as RepositoryName, digest: digest as Digest }));
    return footprint.freedBy({
      organization: plan.organization,
      upstream: plan.upstream,
      going: manifests(going),
      staying: manifests(staying),
    });
  }
}
