import type { Clock, Logger, OrganizationName } from '@breakwater/registry-core';
import type { OutageMinuteTable } from '../postgres/outage-minute-table.js';
import { type MinuteCount, minuteOf, type TimelineClass, type TimelineKind } from './timeline-kinds.js';

/** Most counts that wait to be written. An organization in an outage fills two or three a minute. */
const MAX_WAITING = 20_000;
/** Most counts of one statement. */
const BATCH = 1_000;

type WaitingCount = { -readonly [Field in keyof MinuteCount]: MinuteCount[Field] };

/** Counts what happens by minute, in memory, and writes it in batches that add up over processes. */
export class OutageCounts {
  #waiting = new Map<string, WaitingCount>();
  #lost = 0;
  /** The writing under way; never rejects. */
  #writing: Promise<unknown> = Promise.resolve();
  /** The one after it, which has not begun. */
  #next: Promise<void> | undefined;

  constructor(
    private readonly table: Pick<OutageMinuteTable, 'add'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly maxWaiting = MAX_WAITING,
  ) {}

  /** Counts one. */
  note(organization: OrganizationName, kind: TimelineKind, failureClass: TimelineClass): void {
    const minute = minuteOf(this.clock.now());
    this.#add({ organization, minute, kind, failureClass, count: 1 });
    this.#forgetOldest();
  }

  /**
   * Writes what waits. What cannot be written goes on waiting, and is added to what comes; beyond the bound the oldest is
   * lost. A statement whose answer is lost is written again, so that a broken connection may count twice, never zero times.
   * Whoever flushes while somebody else does waits for that, too: then all that was noted before is there to be read.
   */
  flush(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#writing.then(() => {
      this.#next = undefined;
      return this.#write();
    });
    this.#next = next;
    this.#writing = next.catch(() => undefined);
    return next;
  }

  async #write(): Promise<void> {
    const counts = [...this.#waiting.values()];
    this.#waiting = new Map();
    for (let begin = 0; begin < counts.length; begin += BATCH) {
      try {
        await this.table.add(counts.slice(begin, begin + BATCH));
      } catch (error) {
        this.#putBack(counts.slice(begin));
        throw error;
      }
    }
    if (this.#lost === 0) return;
    this.logger.warn({ lost: this.#lost }, 'the timeline misses events that could not be written while they were kept');
    this.#lost = 0;
  }

  /** The oldest stand first, because the oldest go first. */
  #putBack(counts: readonly WaitingCount[]): void {
    const since = this.#waiting;
    this.#waiting = new Map();
    for (const count of counts) this.#add(count);
    for (const count of since.values()) this.#add(count);
    this.#forgetOldest();
  }

  #add(count: WaitingCount): void {
    const key = `${count.organization}\n${count.minute}\n${count.kind}\n${count.failureClass}`;
    const known = this.#waiting.get(key);
    if (known === undefined) this.#waiting.set(key, count);
    else known.count += count.count;
  }

  #forgetOldest(): void {
    for (const [key, { count }] of this.#waiting) {
      if (this.#waiting.size <= this.maxWaiting) return;
      this.#waiting.delete(key);
      this.#lost += count;
    }
  }
}
