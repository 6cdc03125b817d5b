import type { Clock, ContentUsage } from '@breakwater/registry-core';
import { isHeld, leaseEnd } from './expiry-rule.js';
import type { ExpirableTags, LinkSweep, Quota, QuotaTags, UpstreamState } from './ports.js';
import { QuotaVictims } from './steps/quota-victims.js';

/** What room is judged by. */
export interface QuotaRoomParts {
  readonly usage: ContentUsage | undefined;
  readonly quotas: QuotaTags | undefined;
  readonly tags: ExpirableTags;
  readonly sweep: LinkSweep | undefined;
  readonly upstreams: UpstreamState | undefined;
  readonly clock: Clock;
  readonly graceMs: number;
  readonly holdMs: number;
}

/** How an organization stands with its quota. */
export interface QuotaState {
  /** Bytes that are stored. */
  readonly usedBytes: number;
  /** True when not one byte more would be stored: what is there may not be taken. */
  readonly isFull: boolean;
}

/** How long what was found out of an organization is gone by, ms of real time. */
const KNOWN_FOR_MS = 3_000;
/** Pages of tags that are looked through for images that could make room. */
const PAGES_LOOKED_AT = 3;

interface Reservation {
  readonly bytes: number;
  isStored: boolean;
}

interface Standing {
  /** Monotonic. */
  readonly at: number;
  readonly used: Promise<number>;
  /** Bytes that garbage collection may take. Asked for where the quota is reached only. */
  reclaimable: Promise<number> | undefined;
}

/**
 * Whether there is room in a quota: within it, or in place of images that garbage collection may take. It counts what is
 * on its way in this process, so that pulls at the same time do not all find the same room.
 */
export class QuotaRoom {
  readonly #standings = new Map<string, Standing>();
  readonly #reservations = new Map<string, Set<Reservation>>();

  constructor(private readonly parts: QuotaRoomParts) {}

  /**
   * Room for so many bytes, or `undefined` when there is none. Whoever gets it says in the end whether they were stored.
   * @throws what the ports throw
   */
  async reserve(of: Quota, bytes: number): Promise<((isStored: boolean) => void) | undefined> {
    const reservation = { bytes, isStored: false };
    const reserved = this.#reservedIn(of);
    if (!(await this.#fits(of, bytes, () => reserved.add(reservation)))) return undefined;
    return (isStored) => {
      // What was stored counts here until it is seen in the store.
      if (isStored) reservation.isStored = true;
      else reserved.delete(reservation);
    };
  }

  /** @throws what the ports throw */
  async state(of: Quota): Promise<QuotaState> {
    const usedBytes = await this.#standing(of).used;
    return { usedBytes, isFull: !(await this.#fits(of, 1)) };
  }

  /** @param take called in the same breath in which it is found to fit: pulls at the same time must not find the same room */
  async #fits(of: Quota, bytes: number, take: () => unknown = () => undefined): Promise<boolean> {
    if (this.parts.usage !== undefined) {
      if (bytes > of.quotaBytes) return false;
      const standing = this.#standing(of);
      const used = await standing.used;
      if (this.#excess(of, used, bytes) > 0) {
        standing.reclaimable ??= this.#reclaimable(of);
        const reclaimable = await standing.reclaimable;
        if (this.#excess(of, used, bytes) > reclaimable) return false;
      }
    }
    take();
    return true;
  }

  #excess(of: Quota, used: number, bytes: number): number {
    const reserved = [...this.#reservedIn(of)].reduce((sum, each) => sum + each.bytes, 0);
    return used + reserved + bytes - of.quotaBytes;
  }

  #standing(of: Quota): Standing {
    const key = keyOf(of);
    const known = this.#standings.get(key);
    if (known !== undefined && performance.now() - known.at < KNOWN_FOR_MS) return known;
    const reserved = this.#reservedIn(of);
    const stored = [...reserved].filter(({ isStored }) => isStored);
    const used = (this.parts.usage?.bytesOf(of) ?? Promise.resolve(0)).then((bytes) => {
      for (const each of stored) reserved.delete(each);
      return bytes;
    });
    const standing: Standing = { at: performance.now(), used, reclaimable: undefined };
    this.#standings.set(key, standing);
    // A failure is not gone by.
    used.catch(() => this.#standings.delete(key));
    return standing;
  }

  /** At least as many as garbage collection would free: others may share what these images have. */
  async #reclaimable(of: Quota): Promise<number> {
    const { quotas, usage, tags, sweep, upstreams, clock, graceMs, holdMs } = this.parts;
    if (usage === undefined || quotas === undefined || sweep === undefined) return 0;
    const condition = await upstreams?.condition(of.organization, of.upstream);
    if (condition !== undefined && isHeld(condition, clock.now(), holdMs)) return 0;
    const usedBefore = leaseEnd(clock.now(), graceMs);
    const victims = new QuotaVictims({ quotas, usage, tags, sweep, usedBefore, isPlanned: () => false }, of);
    return victims.bytesAmong(PAGES_LOOKED_AT);
  }

  #reservedIn(of: Quota): Set<Reservation> {
    const key = keyOf(of);
    const known = this.#reservations.get(key) ?? new Set<Reservation>();
    this.#reservations.set(key, known);
    return known;
  }
}

/** One to one: neither part can hold a line feed. */
function keyOf({ organization, upstream }: Quota): string {
  return `${organization}\n${upstream}`;
}
