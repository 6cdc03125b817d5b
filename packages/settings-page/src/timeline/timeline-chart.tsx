import type { EventKind } from '../api/shapes.js';
import { useWidth } from '../parts/use-width.js';
import { failureClassWords } from '../words/failure-classes.js';
import { classesOf, type TimelineColumn, totalOf } from '../words/timeline-columns.js';
import { axisTime, columnTime } from './column-time.js';

interface TimelineChartProps {
  readonly columns: readonly TimelineColumn[];
  readonly by: 'minute' | 'hour' | 'day';
}

/** Before the real width is known, CSS pixels. */
const USUAL_WIDTH = 800;
const PER_LABEL = 110;
const LEFT = 44;
const HEIGHT = 120;
const TOP = 8;
const AXIS = 22;
/** Colours of failure classes in the order of their frequency; more than these share the last one. */
const CLASS_COLORS = [
  'var(--pf-t--chart--color--orange--300, #ca6c0f)',
  'var(--pf-t--chart--color--purple--300, #5e40be)',
  'var(--pf-t--chart--color--teal--300, #37a3a3)',
  'var(--pf-t--chart--color--yellow--300, #dca614)',
  'var(--pf-t--chart--color--black--300, #8a8d90)',
];
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
  return classes.map((failureClass, index) => ({
    failureClass,
    color: CLASS_COLORS[Math.min(index, CLASS_COLORS.length - 1)] as string,
  }));
}

interface PanelProps extends TimelineChartProps {
  readonly title: string;
  readonly kind: EventKind;
  readonly series: readonly Series[];
}

function Panel({ title, kind, columns, by, series }: PanelProps) {
  const most = Math.max(1, ...columns.map(({ counts }) => totalOf(counts, kind)));
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
      style={{ margin: 0, marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}
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
        aria-label={`${title}: ${all} in all, at most ${most} at a time. The table has the numbers.`}
        style={{ display: 'block' }}
      >
        {[0, most].map((value) => {
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
