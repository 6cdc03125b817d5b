import { setTimeout as sleep } from 'node:timers/promises';
import type { RawAnswer } from '@breakwater/test-kit';
import { codesNow, expectedOf, type FaultCase } from './cases.js';
import { codeOf, faultsOf } from './check-answer.js';
import type { Code, FaultRow } from './fault-row.js';
import { type FaultSite, pathOf, type RowSite } from './fault-site.js';
import { UPSTREAM_ADDRESS } from './names.js';

/** One case as it went. */
export interface CaseResult {
  readonly row: string;
  readonly title: string;
  readonly case: FaultCase;
  readonly expected: readonly Code[];
  /** What the first request got, and the one of the other method after it. */
  readonly got: readonly string[];
  readonly ms: number;
  readonly problems: readonly string[];
}

/** Most requests for one thing that one request of a client may cause (P4). */
const MAX_ATTEMPTS = 3;
/** How long a pull may take: one that a copy is there for, and any. Loose, for machines that are busy. */
const SHIELDED_WITHIN_MS = 2_500;
const ANSWERED_WITHIN_MS = 6_000;
/** An upstream that is back is found by the first look after its window, which comes every second. */
const RECOVERED_WITHIN_MS = 5_000;
const SPOOL_EMPTY_WITHIN_MS = 3_000;
/** As long as an upstream is left alone after its first failure, and a second. */
const FIRST_WINDOW_S = 6;

/** Runs one case: brings it about, asks with both methods, ends the fault, and asks again. Never rejects. */
export async function runCase(site: FaultSite, at: RowSite, row: FaultRow, each: FaultCase): Promise<CaseResult> {
  const began = performance.now();
  const problems: string[] = [];
  const got: string[] = [];
  const expected = codesNow(expectedOf(row, each, each.method), each);
  try {
    await tryCase(site, at, row, each, problems, got);
  } catch (error) {
    problems.push(String((error as Error | undefined)?.stack ?? error));
  }
  const ms = Math.round(performance.now() - began);
  return { row: row.id, title: row.title, case: each, expected, got, ms, problems };
}

async function tryCase(
  site: FaultSite,
  at: RowSite,
  row: FaultRow,
  each: FaultCase,
  problems: string[],
  got: string[],
): Promise<void> {
  const before = await at.prepare(each);
  const { stage, asked, end } = await at.begin(before, each);
  const path = pathOf(each, asked);
  const hidden = [UPSTREAM_ADDRESS, '127.0.0.', `:${at.upstream.port}`];
  const digest = each.kind === 'blob' ? asked.blob : each.by === 'digest' ? asked.content.manifest.digest : undefined;
  const reasons = reasonsOf(row, each);
  const confirmedBefore = await at.confirmedAt(asked);
  const answers: RawAnswer[] = [];
  try {
    for (const method of [each.method, each.method === 'GET' ? 'HEAD' : 'GET'] as const) {
      const mark = site.told.mark();
      const answer = await at.get(method, path);
      answers.push(answer);
      got.push(`${method} ${codeOf(answer, method)}`);
      const codes = codesNow(expectedOf(row, each, method), each);
      const allowed = answers.length === 1 ? codes : [...codes, ...afterSuccess(row, each, answers[0])];
      for (const fault of faultsOf(answer, allowed, { method, digest, reasons, hidden })) {
        problems.push(`${method}: ${fault}`);
      }
      for (const fault of site.told.faultsSince(mark, answer, reasons)) problems.push(`${method}: ${fault}`);
      const limit = codes.includes('200s') ? SHIELDED_WITHIN_MS : ANSWERED_WITHIN_MS;
      if (answer.headersAfterMs > limit) problems.push(`${method} took ${Math.round(answer.headersAfterMs)} ms`);
      if (answers.length === 1) problems.push(...tooManyAttempts(at));
    }
    problems.push(...disagreements(answers, row, each));
    problems.push(...(await site.neighbours.faults()));
    row.alsoHolds?.(stage);
    const isConfirmed = codesNow(expectedOf(row, each, each.method), each).some((code) => code === '200');
    const confirmedAfter = await at.confirmedAt(asked);
    if (!isConfirmed && each.state !== 'D' && confirmedAfter !== confirmedBefore && !isRefreshedBehind(row)) {
      problems.push(`confirmed_at moved by ${Number(confirmedAfter) - Number(confirmedBefore)} ms`);
    }
  } finally {
    await end();
  }
  problems.push(...(await recoveryFaults(site, at, pathOf(each, before), hidden)));
  if (!(await within(SPOOL_EMPTY_WITHIN_MS, async () => (await site.spooled()).length === 0))) {
    problems.push(`left in the spool: ${(await site.spooled()).join(', ')}`);
  }
}

/** What the first request was given is cached for the second. */
function afterSuccess(row: FaultRow, each: FaultCase, first: RawAnswer | undefined): readonly Code[] {
  if (first?.status !== 200) return [];
  const cached = { ...each, state: 'A' } as const;
  return codesNow(expectedOf(row, cached, each.method), cached);
}

/** A check that is only late goes on behind the pull, and confirms. */
function isRefreshedBehind(row: FaultRow): boolean {
  return row.id === 'F16';
}

function reasonsOf(row: FaultRow, { state, by, kind }: FaultCase): readonly string[] {
  const { reason = [] } = row;
  const named = typeof reason === 'string' ? [reason] : reason;
  // With a copy at hand the check budget may end a pull's wait before the attempts have come to their end.
  return by === 'tag' && kind !== 'blob' && state !== 'D' ? [...named, 'timeout'] : named;
}

function tooManyAttempts(at: RowSite): readonly string[] {
  const attempts = new Map<string, number>();
  for (const { server, method, path } of at.upstream.requests) {
    const key = `${method} ${server} ${path.replace(/signature=\d+/, '')}`;
    attempts.set(key, (attempts.get(key) ?? 0) + 1);
  }
  return [...attempts].filter(([, count]) => count > MAX_ATTEMPTS).map(([key, count]) => `${count} attempts: ${key}`);
}

/** What breaks a body shows in GET only; else both methods tell the same. */
function disagreements([first, second]: readonly RawAnswer[], row: FaultRow, each: FaultCase): readonly string[] {
  if (first === undefined || second === undefined) return [];
  if (first.status === second.status) return first.cut || second.cut ? [] : headerDifferences(first, second);
  const mayDiffer = expectedOf(row, each, 'GET') !== expectedOf(row, each, 'HEAD');
  return mayDiffer ? [] : [`${first.status} and ${second.status} for HEAD and GET`];
}

/** Headers that say what is answered, and not when or from where. */
const SAME_HEADERS = ['content-type', 'content-length', 'docker-content-digest', 'etag', 'accept-ranges'];
/** An error may know more the second time: since when, for one. */
const SAME_HEADERS_OF_ERRORS = ['content-type', 'cache-control', 'docker-distribution-api-version'];

function headerDifferences(first: RawAnswer, second: RawAnswer): readonly string[] {
  const names = first.status === 200 ? SAME_HEADERS : SAME_HEADERS_OF_ERRORS;
  return names
    .filter((name) => first.headers[name] !== second.headers[name])
    .map((name) => `${name} is ${first.headers[name]} and ${second.headers[name]} for HEAD and GET`);
}

/** What is wrong once the fault is over. The first pull may still be shielded until the next look at the upstream. */
async function recoveryFaults(
  site: FaultSite,
  at: RowSite,
  path: string,
  hidden: readonly string[],
): Promise<readonly string[]> {
  let answer = await at.get('GET', path);
  const isNormal = () => answer.status === 200 && answer.headers['warning'] === undefined;
  await within(RECOVERED_WITHIN_MS, async () => {
    if (isNormal()) return true;
    if (answer.status !== 200) return true;
    // A check that took too long, on a machine that is busy, begins a window, which real time never ends.
    site.clock.advance({ seconds: FIRST_WINDOW_S });
    answer = await at.get('GET', path);
    return isNormal();
  });
  const facts = { method: 'GET', digest: undefined, reasons: [], hidden } as const;
  return faultsOf(answer, ['200'], facts).map((fault) => `after the fault: ${fault}`);
}

async function within(ms: number, what: () => Promise<boolean>): Promise<boolean> {
  const end = performance.now() + ms;
  for (;;) {
    if (await what()) return true;
    if (performance.now() > end) return false;
    await sleep(50);
  }
}
