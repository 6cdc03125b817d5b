/** What came of a sweep. After anything but `done` nothing may rely on it having freed what it could. */
export type SweepOutcome = 'done' | 'failed' | 'braked';
