const MOST_LINES = 5;
const NICE = [1, 2, 5];

/** The values at which lines are drawn: round whole numbers from 0 to at least `highest`, at most five of them. Pure. */
export function gridLines(highest: number): readonly number[] {
  for (let power = 1; ; power *= 10) {
    for (const nice of NICE) {
      const step = nice * power;
      const count = Math.ceil(Math.max(1, highest) / step) + 1;
      if (count <= MOST_LINES) return Array.from({ length: count }, (_nothing, index) => index * step);
    }
  }
}
