import type { ContentDisposal, ContentUsage } from '@breakwater/registry-core';
import type { Braked } from './report.js';
import type { CountedPlan } from './steps/counted-plan.js';
import { contentOf } from './steps/dispose-content.js';
import type { RunContext } from './steps/run-context.js';
import type { SweepPlan } from './steps/sweep-plan.js';

/** A run that would delete more blobs than both of these stops and asks (G12). */
const BRAKE_SHARE = 0.2;
const BRAKE_COUNT = 1_000;

/** Whether so many blobs of so many are what garbage is, or what a mistake looks like. */
export function isTooMuch({ blobs, of }: Braked): boolean {
  return blobs > BRAKE_COUNT && blobs > BRAKE_SHARE * of;
}

/** What the brake asks. */
export interface BrakePorts {
  readonly disposal: ContentDisposal;
  readonly usage: ContentUsage;
}

/** Counts everything that would go, of a plan that it does not fit into; `isAll` unless that is more than can be counted. */
export type CountAll = () => Promise<{ readonly plan: CountedPlan; readonly isAll: boolean }>;

/** The brake of one run: it counts what the whole run deletes, by whatever step, and looks before each sweep. */
export class Brake {
  #deleted = 0;
  #isCounted = false;
  #found: Braked | undefined;

  /** @param ports `undefined` where there is no brake, or where it is gone past */
  constructor(private readonly ports: BrakePorts | undefined) {}

  get isThere(): boolean {
    return this.ports !== undefined;
  }

  /** What was too much; `undefined` while nothing was. */
  get found(): Braked | undefined {
    return this.#found;
  }

  /** A sweep begins: what was counted as a whole for another one says nothing of it. */
  beginSweep(): void {
    this.#isCounted = false;
  }

  /** The run has removed so many links to blobs. */
  deleted(links: number): void {
    this.#deleted += links;
  }

  /** Looks at a plan before anything of it is done. Resolves to true when it is too much. */
  async stops(context: RunContext, plan: SweepPlan, countAll: CountAll): Promise<boolean> {
    // What was counted as a whole goes in rounds, and none of them is to stop half way.
    if (this.ports === undefined || this.#isCounted) return false;
    this.#found = await this.#assessPlan(context, this.ports, plan);
    if (this.#found === undefined && plan.isCut) {
      this.#found = await this.#assessWhole(this.ports, countAll);
      this.#isCounted = true;
    }
    return this.#found !== undefined;
  }

  async #assessPlan(
    context: RunContext,
    { disposal, usage }: BrakePorts,
    plan: SweepPlan,
  ): Promise<Braked | undefined> {
    // Cheap and never too low: there may be several links to one blob.
    if (plan.blobs + this.#deleted <= BRAKE_COUNT) return undefined;
    let blobs = this.#deleted;
    for await (const items of contentOf(context, disposal, plan)) {
      blobs += items.filter(({ kind }) => kind === 'blob').length;
    }
    if (blobs <= BRAKE_COUNT) return undefined;
    // What this run has unlinked is among them still: it is freed at the end.
    const found = { blobs, of: await usage.blobs() };
    return isTooMuch(found) ? found : undefined;
  }

  async #assessWhole({ usage }: BrakePorts, countAll: CountAll): Promise<Braked | undefined> {
    const { plan, isAll } = await countAll();
    const found = { blobs: plan.blobs + this.#deleted, of: await usage.blobs() };
    // What is more than can be counted is more than anybody has garbage.
    return !isAll || isTooMuch(found) ? found : undefined;
  }
}
