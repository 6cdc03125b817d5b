import { createHash } from 'node:crypto';
import type { LinkKey } from '@breakwater/registry-core';
import { type LinkPlan, linkKey, type PlannedLink } from './sweep-plan.js';

const GOES = { level: 0 };

/**
 * How much would go, of a plan that is too large to be kept: of each link a number is remembered, some 50 bytes. Two links
 * with the same one, of which there is one chance in thousands among millions, make it wrong by one.
 */
export class CountedPlan implements LinkPlan {
  readonly #links = new Set<number>();
  readonly #blobs = new Set<number>();

  get size(): number {
    return this.#links.size;
  }

  /** Different blobs among them: at least as many as would be deleted, since other repositories may link to them. */
  get blobs(): number {
    return this.#blobs.size;
  }

  add({ link }: PlannedLink): void {
    this.#links.add(numberOf(linkKey(link)));
    if (link.kind === 'blob') this.#blobs.add(numberOf(link.digest));
  }

  find(link: LinkKey): { readonly level: number } | undefined {
    return this.#links.has(numberOf(linkKey(link))) ? GOES : undefined;
  }
}

/** 53 bits, what a number holds. */
function numberOf(text: string): number {
  const hash = createHash('sha256').update(text).digest();
  return hash.readUIntBE(0, 6) * 32 + (hash.readUInt8(6) >> 3);
}
