import { clockPicture, type Stretch } from '../words/clock-picture.js';
import { durationWords } from '../words/duration.js';
import type { Clocks } from '../words/period-sentences.js';

const WIDTH = 600;
/** From top to bottom: what runs from the last confirmation with its times, then what runs from the last pull. */
const HEIGHT = 122;
const STATES_Y = 18;
const STATES_HEIGHT = 18;
const KEPT_Y = 84;
const KEPT_HEIGHT = 10;
/** Times closer than this part of the line would be written over each other. */
const LEGIBLE = 0.16;
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
    ...(check !== undefined && staleness !== undefined && staleness.at - check.at > LEGIBLE ? [check] : []),
  ];
  return (
    <figure data-testid="clocks-figure" style={{ margin: 0 }}>
      <figcaption>
        <strong>What becomes of a cached image</strong> (not to scale)
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        width="100%"
        aria-hidden="true"
        style={{ maxWidth: WIDTH, display: 'block', marginBlock: 'var(--pf-t--global--spacer--sm)' }}
      >
        <text x={0} y={STATES_Y - 6} {...TEXT}>
          After its last confirmation
        </text>
        {stretches.map(({ state, from, to }) => (
          <rect
            key={state}
            x={from * WIDTH}
            y={STATES_Y}
            width={Math.max(2, (to - from) * WIDTH - 2)}
            height={STATES_HEIGHT}
            rx={3}
            fill={COLORS[state]}
          />
        ))}
        {times.map(({ clock, at, seconds }) => (
          <Time key={clock} at={at} y={STATES_Y + STATES_HEIGHT} seconds={seconds} />
        ))}
        <text x={0} y={KEPT_Y - 6} {...TEXT}>
          After its last pull
        </text>
        <rect
          x={0}
          y={KEPT_Y}
          width={(keptForEver ? 1 : (expiration?.at ?? 0)) * WIDTH}
          height={KEPT_HEIGHT}
          rx={3}
          fill={KEPT_COLOR}
        />
        {expiration === undefined ? null : (
          <Time at={expiration.at} y={KEPT_Y + KEPT_HEIGHT} seconds={expiration.seconds} />
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
function Time({ at, y, seconds }: { readonly at: number; readonly y: number; readonly seconds: number }) {
  const x = at * WIDTH;
  return (
    <>
      <line x1={x - 1} x2={x - 1} y1={y} y2={y + 6} stroke={TEXT.fill} />
      <text x={Math.max(0, x)} y={y + 19} textAnchor={at < 0.1 ? 'start' : 'middle'} {...TEXT}>
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
