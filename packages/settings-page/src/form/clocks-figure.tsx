import { useWidth } from '../parts/use-width.js';
import { clockPicture, type Stretch } from '../words/clock-picture.js';
import { durationWords } from '../words/duration.js';
import type { Clocks } from '../words/period-sentences.js';

/** CSS pixels: at most, and before the real width is known. */
const MOST_WIDTH = 600;
/** From top to bottom: what runs from the last confirmation with its times, then what runs from the last pull. */
const HEIGHT = 122;
const STATES_Y = 18;
const STATES_HEIGHT = 18;
const KEPT_Y = 84;
const KEPT_HEIGHT = 10;
/** Times closer than this would be written over each other. CSS pixels. */
const LEGIBLE = 90;
const COLORS: Readonly<Record<Stretch['state'], string>> = {
  fresh: 'var(--pf-t--global--color--status--success--default)',
  shielded: 'var(--pf-t--global--color--status--info--default)',
  lapsed: 'var(--pf-t--global--color--status--danger--default)',
};
const KEPT_COLOR = 'var(--pf-t--global--icon--color--subtle)';
const TEXT = { fontSize: 12, fill: 'var(--pf-t--global--text--color--subtle)' } as const;
const NAMES: Readonly<Record<Stretch['state'], string>> = {
  fresh: 'Fresh: served without asking',
  shielded: 'Stale: asked first, served if the upstream fails',
  lapsed: 'Lapsed: served only if the upstream confirms it',
};

/** When an image is asked for, how long it is shielded, and how long it is kept: on one line, and in words below. */
export function ClocksFigure({ clocks }: { readonly clocks: Clocks }) {
  const { stretches, marks, keptForEver } = clockPicture(clocks);
  const [figure, available] = useWidth<HTMLElement>(MOST_WIDTH);
  const width = Math.min(available, MOST_WIDTH);
  const ends: Readonly<Record<Stretch['state'], number>> = {
    fresh: Math.min(clocks.checkS ?? clocks.stalenessS, clocks.stalenessS),
    shielded: clocks.stalenessS,
    lapsed: Number.POSITIVE_INFINITY,
  };
  const [check, staleness, expiration] = (['check', 'staleness', 'expiration'] as const).map((clock) =>
    marks.find((mark) => mark.clock === clock && mark.seconds > 0),
  );
  const times = [
    ...(staleness === undefined ? [] : [staleness]),
    ...(check !== undefined && staleness !== undefined && (staleness.at - check.at) * width > LEGIBLE ? [check] : []),
  ];
  return (
    <figure ref={figure} data-testid="clocks-figure" style={{ margin: 0, contain: 'inline-size' }}>
      <figcaption>
        <strong>What becomes of a cached image</strong> (not to scale)
      </figcaption>
      <svg
        width={width}
        height={HEIGHT}
        aria-hidden="true"
        style={{ display: 'block', marginBlock: 'var(--pf-t--global--spacer--sm)' }}
      >
        <text x={0} y={STATES_Y - 6} {...TEXT}>
          After its last confirmation
        </text>
        {stretches.map(({ state, from, to }) => (
          <rect
            key={state}
            x={from * width}
            y={STATES_Y}
            width={Math.max(2, (to - from) * width - 2)}
            height={STATES_HEIGHT}
            rx={3}
            fill={COLORS[state]}
          />
        ))}
        {times.map(({ clock, at, seconds }) => (
          <Time key={clock} x={at * width} y={STATES_Y + STATES_HEIGHT} seconds={seconds} />
        ))}
        <text x={0} y={KEPT_Y - 6} {...TEXT}>
          After its last pull
        </text>
        <rect
          x={0}
          y={KEPT_Y}
          width={(keptForEver ? 1 : (expiration?.at ?? 0)) * width}
          height={KEPT_HEIGHT}
          rx={3}
          fill={KEPT_COLOR}
        />
        {expiration === undefined ? null : (
          <Time x={expiration.at * width} y={KEPT_Y + KEPT_HEIGHT} seconds={expiration.seconds} />
        )}
      </svg>
      <ul style={{ listStyle: 'none', paddingInlineStart: 0 }}>
        {stretches.map(({ state }) => (
          <li key={state}>
            <Swatch color={COLORS[state]} /> {NAMES[state]}
            {state === 'lapsed' ? '' : `, up to ${durationWords(ends[state])}`}
          </li>
        ))}
        <li>
          <Swatch color={KEPT_COLOR} /> {keptWords(clocks)}
        </li>
      </ul>
    </figure>
  );
}

/** A time below the place where it stands on a line. */
function Time({ x, y, seconds }: { readonly x: number; readonly y: number; readonly seconds: number }) {
  return (
    <>
      <line x1={x - 1} x2={x - 1} y1={y} y2={y + 6} stroke={TEXT.fill} />
      <text x={x} y={y + 19} textAnchor={x < LEGIBLE / 2 ? 'start' : 'middle'} {...TEXT}>
        {durationWords(seconds)}
      </text>
    </>
  );
}

function keptWords({ expirationS, stalenessS }: Clocks): string {
  if (expirationS === 0) return 'Kept for ever';
  const kept = `${durationWords(expirationS)} after the last pull`;
  return stalenessS > expirationS ? `Kept until it lapses, and up to ${kept}` : `Kept, up to ${kept}`;
}

function Swatch({ color }: { readonly color: string }) {
  return (
    <svg width="12" height="12" aria-hidden="true">
      <rect width="12" height="12" rx="3" fill={color} />
    </svg>
  );
}
