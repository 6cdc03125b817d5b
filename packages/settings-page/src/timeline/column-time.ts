const DAY = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const BOTH = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

/** A column's begin as the reader's clock has it, whole. */
export function columnTime(start: number, by: 'hour' | 'day'): string {
  return by === 'day' ? DAY.format(start) : BOTH.format(start);
}

/** The same for an axis, where the day is known or is all that matters. */
export function axisTime(start: number, spanMs: number): string {
  return spanMs > 2 * 86_400_000 ? DAY.format(start) : HOUR.format(start);
}
