import type { Clock, InspectedLink, LinkKey, Logger } from '@breakwater/registry-core';
import { GcError } from '../errors.js';
import { leaseEnd } from '../expiry-rule.js';
import { Holds } from '../holds.js';
import type { ExpirableTag, ExpirableTags, LinkSweep, NamedTags, StoredContent, UpstreamState } from '../ports.js';
import { blankJournal } from '../run-journal.js';
import { judgeTags } from '../steps/judge-tags.js';
import type { RunContext } from '../steps/run-context.js';
import type { ExplainedLink, ExplainedTag, Explanation } from './explanation.js';
import { judgeLink } from './judge-link.js';
import type { Subject } from './subject.js';

/** The most of each sort that are named. */
const MOST_NAMED = 20;
/** The most that are looked for to count them. */
const MOST_COUNTED = 1_000;

/** What explanations are made from. */
export interface ExplainParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tags: ExpirableTags;
  readonly named: NamedTags | undefined;
  readonly stored: StoredContent | undefined;
  readonly upstreams: UpstreamState | undefined;
  readonly sweep: LinkSweep | undefined;
  readonly graceMs: number;
  readonly holdMs: number;
}

/**
 * Says why something goes or stays, by the same decisions as a run that began now. Deletes nothing.
 * @throws GcError GC_UNKNOWN_REFERENCE, and what the ports throw
 */
export async function explain(parts: ExplainParts, subject: Subject): Promise<Explanation> {
  return new Explainer(parts, await dryContext(parts.clock)).explain(subject);
}

class Explainer {
  readonly #holds: Holds;
  readonly #usedBefore: number;

  constructor(
    private readonly parts: ExplainParts,
    private readonly context: RunContext,
  ) {
    this.#holds = new Holds(parts.upstreams, parts.holdMs, parts.clock, parts.logger);
    this.#usedBefore = leaseEnd(context.plannedAt, parts.graceMs);
  }

  async explain(subject: Subject): Promise<Explanation> {
    const tags = subject.kind === 'named' ? ((await this.parts.named?.named(subject)) ?? []) : [];
    const content = await this.#content(subject);
    if (tags.length + content.stored.length + content.linksTotal === 0) {
      throw new GcError('GC_UNKNOWN_REFERENCE', 'nothing of that name is cached or stored');
    }
    return { explainedAt: this.context.plannedAt, tags: await this.#tags(tags), ...content };
  }

  async #content(subject: Subject): Promise<Pick<Explanation, 'stored' | 'links' | 'linksTotal'>> {
    const { sweep, stored } = this.parts;
    const digest = subject.kind === 'digest' ? subject.digest : digestOf(subject);
    if (sweep === undefined || stored === undefined || digest === undefined) {
      return { stored: [], links: [], linksTotal: 0 };
    }
    const within =
      subject.kind === 'digest' ? undefined : { organization: subject.organization, name: subject.repository };
    const found = await stored.find(digest, within, MOST_NAMED);
    const inspected = await sweep.inspect(found.links, MOST_COUNTED);
    const links: ExplainedLink[] = [];
    for (const link of inspected) if (link !== undefined) links.push(await this.#link(sweep, link));
    return { stored: found.stored, links, linksTotal: found.linksTotal };
  }

  async #link(sweep: LinkSweep, link: InspectedLink): Promise<ExplainedLink> {
    const { repository, kind, usedAt } = link;
    const pointing = kind === 'manifest' ? await this.#pointingTo(link) : [];
    return {
      repository,
      kind,
      usedAt,
      leaseLeftMs: Math.max(0, usedAt + 1 - this.#usedBefore),
      referencedBy: {
        total: pointing.length + link.tags.length + link.keptBy.length,
        more: link.more || pointing.length >= MOST_COUNTED,
        cachedTags: await this.#tags(pointing.slice(0, MOST_NAMED)),
        hostedTags: link.tags.slice(0, MOST_NAMED),
        manifests: link.keptBy.slice(0, MOST_NAMED),
      },
      verdict: await judgeLink(this.context, this.#judging(sweep), link),
    };
  }

  #judging(sweep: LinkSweep): Parameters<typeof judgeLink>[1] {
    return {
      sweep,
      tags: this.parts.tags,
      usedBefore: this.#usedBefore,
      goes: async (tags) => (await judgeTags(this.context, this.#holds, tags)).map(({ action }) => action === 'expire'),
    };
  }

  async #pointingTo(link: LinkKey): Promise<readonly ExpirableTag[]> {
    return (await this.parts.tags.pointingTo([link], MOST_COUNTED))[0] ?? [];
  }

  async #tags(tags: readonly ExpirableTag[]): Promise<readonly ExplainedTag[]> {
    const verdicts = await judgeTags(this.context, this.#holds, tags);
    const explained: ExplainedTag[] = [];
    for (const [index, verdict] of verdicts.entries()) {
      const tag = tags[index];
      if (tag === undefined) continue;
      const { organization, upstream } = tag.repository;
      const hold = upstream === undefined ? ({ kind: 'free' } as const) : await this.#holds.of(organization, upstream);
      explained.push({ tag, ageMs: Math.max(0, this.context.plannedAt - tag.confirmedAt), hold, verdict });
    }
    return explained;
  }
}

function digestOf({ reference }: Extract<Subject, { kind: 'named' }>) {
  return reference.kind === 'digest' ? reference.digest : undefined;
}

/** That of a run which deletes nothing, is not on record and keeps nobody out. */
async function dryContext(clock: Clock): Promise<RunContext> {
  const plannedAt = clock.now();
  const record = await blankJournal.begin('explanation', plannedAt);
  if (record === undefined) throw new GcError('GC_RUNNING', 'a run is in flight');
  return {
    run: { id: 'explanation' },
    plannedAt,
    dryRun: true,
    organization: undefined,
    clock,
    record,
    signal: new AbortController().signal,
    progress: () => {},
  };
}
