import { GcError } from './errors.js';

/** The settings of a collector that are numbers, in ms. */
export interface GcPeriods {
  readonly graceMs: number;
  readonly holdMs: number;
  readonly intervalMs: number;
}

/** What holds where nothing is said. */
const DEFAULT_PERIODS: GcPeriods = {
  graceMs: 3_600_000,
  holdMs: 30 * 86_400_000,
  intervalMs: 15 * 60_000,
};

/** The longest wait that a timer takes, ms; above it Node fires at once. With the jitter it must stay below. */
const MAX_INTERVAL_MS = 24 * 86_400_000 * 0.9;

/**
 * The periods with their defaults.
 * @throws GcError GC_OPTIONS_INVALID
 */
export function readPeriods(given: {
  readonly graceMs?: number | undefined;
  readonly holdMs?: number | undefined;
  readonly intervalMs?: number | undefined;
}): GcPeriods {
  return {
    graceMs: period('graceMs', given.graceMs ?? DEFAULT_PERIODS.graceMs, 0, Number.MAX_SAFE_INTEGER),
    holdMs: period('holdMs', given.holdMs ?? DEFAULT_PERIODS.holdMs, 0, Number.MAX_SAFE_INTEGER),
    intervalMs: period('intervalMs', given.intervalMs ?? DEFAULT_PERIODS.intervalMs, 1, MAX_INTERVAL_MS),
  };
}

function period(name: string, value: number, min: number, max: number): number {
  if (Number.isFinite(value) && value >= min && value <= max) return value;
  throw new GcError('GC_OPTIONS_INVALID', `${name} is ${value}; it must be a number of milliseconds, ${min} to ${max}`);
}
