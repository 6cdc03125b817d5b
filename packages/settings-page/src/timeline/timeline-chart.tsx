import type { EventKind } from '../api/shapes.js';
import { useWidth } from '../parts/use-width.js';
import { failureClassWords } from '../words/failure-classes.js';
import { gridLines } from '../words/grid-lines.js';
import { classesOf, type TimelineColumn, totalOf } from '../words/timeline-columns.js';
import { axisTime, columnTime } from './column-time.js';

interface TimelineChartProps {
  readonly columns: readonly TimelineColumn[];
  readonly by: 'hour' | 'day';
}

/** Before the real width is known, CSS pixels. */
const USUAL_WIDTH = 800;
const PER_LABEL = 110;
const LEFT = 44;
const HEIGHT = 120;
const TOP = 8;
const AXIS = 22;
/** A class has one colour whatever else there is, so that yesterday's picture can be laid beside today's. */
const CLASS_COLORS: Readonly<Record<string, string>> = {
  connect: '#ca6c0f',
  dns: '#876fd4',
  tls: '#63993d',
  timeout: '#5e40be',
  server_error: '#dca614',
  protocol: '#9e4a06',
  integrity: '#b1380b',
  rate_limited: '#37a3a3',
  blocked: '#4d4d4d',
  auth: '#147878',
  removed: '#92c5f9',
  denied: '#e0619b',
};
const OTHER_CLASS_COLOR = '#8a8d90';
const SAVED_COLOR = 'var(--pf-t--chart--color--blue--300, #0066cc)';
const PASSED_COLOR = 'var(--pf-t--chart--color--red-orange--400, #b1380b)';

/** Three charts below each other on one axis of time: pulls that were saved, errors that were masked, and passed on. */
export function TimelineChart({ columns, by }: TimelineChartProps) {
  const masked = classesOf(columns, 'masked_error');
  const passed = classesOf(columns, 'passed_error');
  return (
    <>
      <Panel title="Pulls saved" kind="shielded_pull" columns={columns} by={by} series={[{ color: SAVED_COLOR }]} />
      {masked.length === 0 ? null : (
        <Panel title="Errors masked" kind="masked_error" columns={columns} by={by} series={classSeries(masked)} />
      )}
      {passed.length === 0 ? null : (
        <Panel
          title="Errors passed on to clients"
          kind="passed_error"
          columns={columns}
          by={by}
          series={[{ color: PASSED_COLOR }]}
        />
      )}
    </>
  );
}

/** What a part of a column counts: one class, or all of them. */
interface Series {
  readonly failureClass?: string;
  readonly color: string;
}

function classSeries(classes: readonly string[]): readonly Series[] {
  return classes.map((failureClass) => ({ failureClass, color: CLASS_COLORS[failureClass] ?? OTHER_CLASS_COLOR }));
}

interface PanelProps extends TimelineChartProps {
  readonly title: string;
  readonly kind: EventKind;
  readonly series: readonly Series[];
}

function Panel({ title, kind, columns, by, series }: PanelProps) {
  const highest = Math.max(1, ...columns.map(({ counts }) => totalOf(counts, kind)));
  const lines = gridLines(highest);
  const most = lines.at(-1) ?? highest;
  const all = columns.reduce((sum, { counts }) => sum + totalOf(counts, kind), 0);
  const [figure, width] = useWidth<HTMLElement>(USUAL_WIDTH);
  const step = (width - LEFT) / columns.length;
  const span = (columns.at(-1)?.start ?? 0) - (columns[0]?.start ?? 0);
  const every = Math.max(1, Math.ceil(PER_LABEL / step));
  const text = { fontSize: 12, fill: 'var(--pf-t--global--text--color--subtle)' };
  const legend = series.filter(({ failureClass }) => failureClass !== undefined);
  return (
    <figure
      ref={figure}
      style={{ margin: 0, contain: 'inline-size', marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}
      data-testid={`chart-${kind}`}
    >
      <figcaption>
        <strong>{title}</strong>{' '}
        {legend.map(({ failureClass, color }) => (
          <span key={failureClass} style={{ marginInlineStart: '1rem', whiteSpace: 'nowrap' }}>
            <svg width="12" height="12" aria-hidden="true">
              <rect width="12" height="12" rx="3" fill={color} />
            </svg>{' '}
            {failureClassWords(failureClass ?? '').name}
          </span>
        ))}
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${TOP + HEIGHT + AXIS}`}
        width={width}
        height={TOP + HEIGHT + AXIS}
        role="img"
        aria-label={`${title}: ${all} in all, at most ${highest} at a time. The table has the numbers.`}
        style={{ display: 'block' }}
      >
        {lines.map((value) => {
          const y = TOP + HEIGHT - (value / most) * HEIGHT;
          return (
            <g key={value}>
              <line x1={LEFT} x2={width} y1={y} y2={y} stroke="var(--pf-t--global--border--color--default)" />
              <text x={LEFT - 6} y={y + 4} textAnchor="end" {...text}>
                {value.toLocaleString('en')}
              </text>
            </g>
          );
        })}
        {columns.map((column, index) => (
          <g key={column.start}>
            <title>{`${columnTime(column.start, by)}: ${totalOf(column.counts, kind)}`}</title>
            <Column
              column={column}
              kind={kind}
              series={series}
              x={LEFT + index * step + step * 0.1}
              width={step * 0.8}
              most={most}
            />
          </g>
        ))}
        {columns.map(({ start }, index) =>
          index % every === 0 && (columns.length - index) * step > PER_LABEL / 2 ? (
            <text key={start} x={LEFT + index * step} y={TOP + HEIGHT + 16} {...text}>
              {axisTime(start, span)}
            </text>
          ) : null,
        )}
      </svg>
    </figure>
  );
}

interface ColumnProps {
  readonly column: TimelineColumn;
  readonly kind: EventKind;
  readonly series: readonly Series[];
  readonly x: number;
  readonly width: number;
  readonly most: number;
}

function Column({ column, kind, series, x, width, most }: ColumnProps) {
  let below = 0;
  return series.map(({ failureClass, color }) => {
    const count =
      failureClass === undefined ? totalOf(column.counts, kind) : (column.counts[kind]?.[failureClass] ?? 0);
    if (count === 0) return null;
    const height = Math.max(1.5, (count / most) * HEIGHT);
    const y = TOP + HEIGHT - below - height;
    below += height;
    return <rect key={failureClass ?? kind} x={x} y={y} width={width} height={height} fill={color} />;
  });
}
