import type { GcReport, ReportedTag, SkipReason, StaleNumbers, StepReport } from '@breakwater/gc';
import { bytesText, timeText } from './units.js';

/** The most lines of each sort; all that a report names is in `--json`. */
const MOST_NAMED = 20;

const SKIPPED: Readonly<Record<SkipReason, string>> = {
  clock_jumped:
    'SKIPPED: the clock of the database has jumped by more than five minutes. Look at it; the next run goes on.',
  database_recovered: 'SKIPPED: the database was not to be had a moment ago. Try again in a quarter of a minute.',
};

/** A report for people. Pure. */
export function reportText(report: GcReport): string {
  const { dryRun, outcome, brake, startedAt, finishedAt, expired, expiredTotal, held, freed, links } = report;
  const took = (Math.max(0, finishedAt - startedAt) / 1000).toFixed(1);
  const would = dryRun ? 'would be ' : '';
  const lines = [
    `Run ${report.runId}${dryRun ? ' (dry run, nothing was deleted)' : ''}: ${outcome} in ${took} s`,
    ...(report.skipped === undefined ? [] : [SKIPPED[report.skipped]]),
    ...(report.organization === undefined ? [] : [`Only organization ${report.organization}`]),
    ...(brake === undefined ? [] : brakeLines(brake.blobs, brake.of, dryRun)),
    '',
    ...columns(report.steps.map((step) => [step.name, `${step.ms} ms`, numbersText(step)])),
    '',
    `Tags ${would}removed: ${expiredTotal}`,
    ...tagLines(expired, expiredTotal),
    `Tags kept${dryRun ? '' : ' of those that were looked at'}: ${counts(report.kept)}`,
    ...(dryRun ? tagLines(report.keptTags, total(report.kept)) : []),
    ...held.map(
      ({ organization, upstream, downSince, tags }) =>
        `  held: ${tags} tags of ${organization}, whose upstream ${upstream} is down${downSince === undefined ? '' : ` since ${timeText(downSince)}`}`,
    ),
    `Manifests and blobs kept of those that were looked at: ${counts(links.keptTotal)}`,
    `${dryRun ? 'Would free' : 'Freed'}: ${freed.manifests} manifests and ${freed.blobs} blobs, ${bytesText(freed.bytes)}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** What a step has done so far, in one line. Pure. */
export function stepText(step: StepReport): string {
  return `${step.name}: ${numbersText(step)}`;
}

function brakeLines(blobs: number, of: number, dryRun: boolean): readonly string[] {
  return [
    `BRAKED: ${blobs} of ${of} blobs would go, which is so much that ${dryRun ? 'a run stops' : 'the run stopped'} before it deletes them.`,
    'If that is right: breakwater gc --force, or with --organization one organization at a time.',
  ];
}

function numbersText(step: StepReport): string {
  const { name: _, ms: __, error, ...numbers } = step;
  const said = Object.entries(numbers).flatMap(([name, value]) =>
    typeof value === 'object' ? sortsText(value) : [`${name} ${name === 'bytes' ? bytesText(value) : value}`],
  );
  return [...(error === undefined ? [] : [`FAILED (${error})`]), ...said].join(', ');
}

function sortsText(sorts: StaleNumbers['sorts']): readonly string[] {
  return Object.entries(sorts)
    .filter(([, { files }]) => files > 0)
    .map(([sort, { files, bytes }]) => `${files} ${sort} of ${bytesText(bytes)}`);
}

function tagLines(tags: readonly ReportedTag<string>[], all: number): readonly string[] {
  const named = tags.slice(0, MOST_NAMED);
  const rows = named.map((tag) => [
    `  ${tag.organization}/${tag.repository}${tag.reference.includes(':') ? '@' : ':'}${tag.reference}`,
    tag.reason,
    `confirmed ${timeText(tag.confirmedAt)}, pulled ${timeText(tag.lastUsedAt)}`,
  ]);
  return all > named.length ? [...columns(rows), `  … and ${all - named.length} more`] : columns(rows);
}

function counts(by: Readonly<Record<string, number>>): string {
  const some = Object.entries(by).filter(([, count]) => count > 0);
  return some.length === 0 ? '0' : some.map(([reason, count]) => `${count} ${reason}`).join(', ');
}

function total(by: Readonly<Record<string, number>>): number {
  return Object.values(by).reduce((sum, count) => sum + count, 0);
}

/** Rows with their columns below each other. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
