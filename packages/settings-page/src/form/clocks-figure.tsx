import { clockPicture, type Stretch } from '../words/clock-picture.js';
import { durationWords } from '../words/duration.js';
import type { Clocks } from '../words/period-sentences.js';

const WIDTH = 600;
const LINE_Y = 34;
const COLORS: Readonly<Record<Stretch['state'], string>> = {
  fresh: 'var(--pf-t--global--color--status--success--default)',
  shielded: 'var(--pf-t--global--color--status--info--default)',
  lapsed: 'var(--pf-t--global--color--status--danger--default)',
};
const NAMES: Readonly<Record<Stretch['state'], string>> = {
  fresh: 'Fresh: served without asking',
  shielded: 'Stale: asked first, served if the upstream fails',
  lapsed: 'Lapsed: served only if the upstream confirms it',
};

/** When an image is asked for, how long it is shielded, and how long it is kept: on one line, and in words below. */
export function ClocksFigure({ clocks }: { readonly clocks: Clocks }) {
  const { stretches, marks, keptForEver } = clockPicture(clocks);
  // Nothing goes before its staleness period has ended.
  const keptTo = keptForEver ? 1 : Math.max(...marks.map(({ at }) => at));
  const ends: Readonly<Record<Stretch['state'], number>> = {
    fresh: Math.min(clocks.checkS ?? clocks.stalenessS, clocks.stalenessS),
    shielded: clocks.stalenessS,
    lapsed: Number.POSITIVE_INFINITY,
  };
  return (
    <figure data-testid="clocks-figure" style={{ margin: 0 }}>
      <figcaption>
        <strong>What becomes of a cached image after its last confirmation</strong>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} 76`} width="100%" aria-hidden="true" style={{ maxWidth: WIDTH, display: 'block' }}>
        {stretches.map(({ state, from, to }) => (
          <rect
            key={state}
            x={from * WIDTH}
            y={LINE_Y - 9}
            width={Math.max(2, (to - from) * WIDTH - 2)}
            height={18}
            rx={3}
            fill={COLORS[state]}
          />
        ))}
        <rect
          x={0}
          y={LINE_Y + 20}
          width={keptTo * WIDTH - 2}
          height={8}
          rx={3}
          fill="var(--pf-t--global--icon--color--subtle)"
        />
        {marks
          .filter(({ clock, seconds }) => clock !== 'expiration' && seconds > 0)
          .map(({ clock, at }) => (
            <line
              key={clock}
              x1={at * WIDTH - 1}
              x2={at * WIDTH - 1}
              y1={LINE_Y - 18}
              y2={LINE_Y + 12}
              stroke="var(--pf-t--global--text--color--regular)"
              strokeWidth={2}
            />
          ))}
      </svg>
      <ul style={{ listStyle: 'none', paddingInlineStart: 0 }}>
        {stretches.map(({ state }) => (
          <li key={state}>
            <Swatch color={COLORS[state]} /> {NAMES[state]}
            {state === 'lapsed' ? '' : `, up to ${durationWords(ends[state])}`}
          </li>
        ))}
        <li>
          <Swatch color="var(--pf-t--global--icon--color--subtle)" /> {keptWords(clocks)}
        </li>
      </ul>
    </figure>
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
