/** Units that a period can be given in, largest first. */
export const UNITS = ['days', 'hours', 'minutes', 'seconds'] as const;
export type Unit = (typeof UNITS)[number];

/** A period as it stands in a form: what was typed, and its unit. */
export interface TypedPeriod {
  readonly amount: string;
  readonly unit: Unit;
}

export const UNIT_SECONDS: Readonly<Record<Unit, number>> = { days: 86_400, hours: 3_600, minutes: 60, seconds: 1 };

const NO_SECONDS_FROM_S = 600;

/** Longest period that the API takes, in seconds: ten years. */
export const LONGEST_S = 315_360_000;

/** Seconds as a number in the largest unit that shows them exactly. Nothing is 0 days. */
export function periodFrom(seconds: number): TypedPeriod {
  const unit = UNITS.find((each) => seconds % UNIT_SECONDS[each] === 0) ?? 'seconds';
  return { amount: String(seconds / UNIT_SECONDS[unit]), unit };
}

/** The seconds of a typed period, or what is wrong with it in words that follow the name of the field. */
export function parsePeriod({
  amount,
  unit,
}: TypedPeriod): { readonly seconds: number } | { readonly problem: string } {
  const text = amount.trim();
  const most = Math.floor(LONGEST_S / UNIT_SECONDS[unit]);
  const right = `must be a whole number of ${unit} from 0 to ${most.toLocaleString('en')}`;
  if (text === '') return { problem: right };
  if (!/^\d{1,12}$/.test(text)) return { problem: `${right}; for a part of it choose a smaller unit` };
  const seconds = Number(text) * UNIT_SECONDS[unit];
  return seconds <= LONGEST_S ? { seconds } : { problem: right };
}

/**
 * A length of time in words, in its two largest units and never rounded up: "2 days 23 hours". From ten minutes on seconds are
 * left out: what goes on for longer is not read by the second.
 */
export function durationWords(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const first = UNITS.find((unit) => whole >= UNIT_SECONDS[unit]);
  if (first === undefined) return '0 seconds';
  const second = UNITS[UNITS.indexOf(first) + 1];
  const parts = [counted(Math.floor(whole / UNIT_SECONDS[first]), first)];
  const rest = second === undefined ? 0 : Math.floor((whole % UNIT_SECONDS[first]) / UNIT_SECONDS[second]);
  const isLegible = second !== 'seconds' || whole < NO_SECONDS_FROM_S;
  if (second !== undefined && rest > 0 && isLegible) parts.push(counted(rest, second));
  return parts.join(' ');
}

/** A number and its unit: "1 day", "3 days". */
export function counted(count: number, plural: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? plural.replace(/s$/, '') : plural}`;
}
