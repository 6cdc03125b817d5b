import { randomBytes } from 'node:crypto';
import type { Answer } from './answer.js';
import type { Check, Section, SharedContent, Sides, Verify } from './check.js';
import { ALL_CHECKS } from './checks/all-checks.js';
import { inParallel } from './in-parallel.js';
import { type Registry, Session } from './session.js';
import { sharedContent } from './shared-content.js';

/** What is checked. */
export interface ConformanceTarget {
  /** The registry that is checked. */
  readonly read: Registry;
  /** Where content is pushed, when that is another registry: the upstream of a cache. */
  readonly write?: Registry;
  /**
   * Called when everything was checked; afterwards it is checked once more, as far as a cache can know it. Takes the
   * upstream away.
   */
  readonly afterWarming?: () => Promise<void>;
  /** Content of another run, for checks that only look at it. */
  readonly shared?: SharedContent;
  /** Only these checks; default all. */
  readonly only?: readonly string[];
}

/** What became of one check. */
export interface CheckResult {
  readonly id: string;
  readonly section: Section;
  readonly level: 'MUST' | 'SHOULD';
  readonly says: string;
  readonly outcome: 'passed' | 'failed' | 'not applicable';
  /** Why it failed, or cannot be made. */
  readonly problem?: string;
}

/** How far a check has come. */
interface Progress {
  readonly check: Check;
  readonly sides: Sides;
  verify: Verify | undefined;
  problem: string | undefined;
  /** Why it cannot be made of this registry. */
  notApplicable: string | undefined;
}

/** Makes every check, a few at a time, in repositories of their own. */
export async function runConformance(target: ConformanceTarget): Promise<readonly CheckResult[]> {
  const root = `conformance-${randomBytes(4).toString('hex')}`;
  const warnings: string[] = [];
  const observe = (answer: Answer) => void warnings.push(...wrongWarnings(answer));
  const write = target.write ?? target.read;
  const read: Registry = { ...cacheOf(target.write), ...target.read };
  const shared = target.shared ?? sharedContent((path) => new Session(write, path, observe), `${root}/shared`);
  const progress: Progress[] = ALL_CHECKS.filter(({ id }) => target.only?.includes(id) ?? true).map((check) => {
    const path = `${root}/${check.id.replaceAll('.', '/')}`;
    const sides = { read: new Session(read, path, observe), write: new Session(write, path, observe), shared };
    return { check, sides, verify: undefined, problem: undefined, notApplicable: undefined };
  });
  await inParallel(progress, async (each) => {
    await attempt(each, async () => {
      each.verify = await each.check.prepare(each.sides);
    });
  });
  await verifyAll(progress);
  if (target.afterWarming !== undefined) {
    await target.afterWarming();
    await verifyAll(progress.filter(({ check }) => check.needsUpstream !== true));
  }
  return progress.map(({ check, problem, notApplicable }) => {
    const wrong = problem ?? (check.id === WARNINGS ? warnings[0] : undefined);
    if (wrong !== undefined) return resultOf(check, 'failed', wrong);
    if (notApplicable !== undefined) return resultOf(check, 'not applicable', notApplicable);
    return resultOf(check, target.afterWarming !== undefined && check.needsUpstream ? 'not applicable' : 'passed');
  });
}

async function verifyAll(progress: readonly Progress[]): Promise<void> {
  await inParallel(progress, async (each) => {
    if (each.problem !== undefined || each.notApplicable !== undefined) return;
    await attempt(each, async () => each.verify?.(each.sides.read));
  });
}

/** The check whose outcome is what every answer of the run says; it is the last of all. */
const WARNINGS = 'api.warnings';
const WARNING = /^299 - "(?:[^"\\]|\\.)*"(?:, 299 - "(?:[^"\\]|\\.)*")*$/;

function wrongWarnings({ request, headers }: Answer): readonly string[] {
  const warning = headers.get('warning');
  if (warning === null || (WARNING.test(warning) && warning.length <= 4_096)) return [];
  return [
    `${request}: Warning has to be 299 - "text" without a date, 4,096 bytes at most; got ${warning.slice(0, 200)}`,
  ];
}

async function attempt(progress: Progress, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if ((error as { readonly code?: unknown }).code === 'NOT_APPLICABLE') progress.notApplicable = said;
    else progress.problem = said;
  }
}

/** A cache is asked for what its upstream has, by the upstream's name as well. */
function cacheOf(upstream: Registry | undefined): Pick<Registry, 'cacheOf'> {
  return upstream === undefined ? {} : { cacheOf: { host: new URL(upstream.url).host, prefix: upstream.prefix } };
}

function resultOf({ id, section, level, says }: Check, outcome: CheckResult['outcome'], problem?: string): CheckResult {
  return { id, section, level, says, outcome, ...(problem === undefined ? {} : { problem }) };
}
