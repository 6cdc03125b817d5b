/** Where the time comes from: milliseconds since the epoch. Every age, lifetime and SQL statement takes it from here. */
export interface Clock {
  now(): number;
}

/** The wall clock of this machine. */
export const systemClock: Clock = { now: () => Date.now() };
