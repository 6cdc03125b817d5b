import type { Clock } from '@breakwater/registry-core';

/** A stretch of time. The parts add up; each may be a fraction or negative. */
export interface Duration {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly ms?: number;
}

/** A clock that stands still until a test moves it. */
export interface MovableClock extends Clock {
  /** Moves the clock on, or back for a negative duration. */
  advance(by: Duration): void;
  /** Puts the clock to a time in milliseconds since the epoch. */
  set(ms: number): void;
}

/** A round moment in the past: times printed by a failing test are easy to read, and never look like "now". */
const DEFAULT_START_MS = Date.UTC(2024, 0, 1);

/** A duration in milliseconds. */
export function durationMs(duration: Duration): number {
  const { days = 0, hours = 0, minutes = 0, seconds = 0, ms = 0 } = duration;
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + ms;
}

/** A clock for tests. It starts at `startMs`, milliseconds since the epoch: 1 January 2024 UTC unless told. */
export function movableClock(startMs: number = DEFAULT_START_MS): MovableClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance(by) {
      nowMs += durationMs(by);
    },
    set(ms) {
      nowMs = ms;
    },
  };
}
