import type { Code, Expected, FaultRow } from './fault-row.js';

export type State = 'A' | 'B' | 'C' | 'D';
export type ContentKind = 'image' | 'index' | 'blob';

/** One cell of the product. The method is the one that meets the fault first; the other one follows. */
export interface FaultCase {
  readonly state: State;
  readonly kind: ContentKind;
  readonly by: 'tag' | 'digest';
  readonly method: 'HEAD' | 'GET';
}

const STATES: readonly State[] = ['A', 'B', 'C', 'D'];
const CONTENTS = [
  { kind: 'image', by: 'tag' },
  { kind: 'image', by: 'digest' },
  { kind: 'index', by: 'tag' },
  { kind: 'index', by: 'digest' },
  { kind: 'blob', by: 'digest' },
] as const;
const METHODS = ['GET', 'HEAD'] as const;

/** The whole product of one row. */
export const allCases: readonly FaultCase[] = STATES.flatMap((state) =>
  CONTENTS.flatMap((content) => METHODS.map((method) => ({ state, ...content, method }))),
);

/** Where the upstream is needed: what the short profile takes turns with. */
const NEEDY = allCases.filter(
  ({ state, kind, by }) => (by === 'tag' && state !== 'C') || (kind === 'blob' && (state === 'C' || state === 'D')),
);

/** Two of the product for the row with this number, always the same ones; all rows together have all cases. */
export function sampledCases(row: number): readonly FaultCase[] {
  const needy = NEEDY[(row * 5) % NEEDY.length];
  const any = allCases[(row * 7 + 3) % allCases.length];
  return [needy, any].filter((each) => each !== undefined);
}

/** What the row says of the answer to a request of this method, by the state in which the case begins. */
export function expectedOf(row: FaultRow, { state, kind, by }: FaultCase, method: 'HEAD' | 'GET'): Expected {
  if (kind === 'blob') {
    if (state === 'A' || state === 'B') return '=';
    if (method === 'GET') return row.blob;
    return row.blobHead ?? (isCut(row.blob) ? '=' : row.blob);
  }
  if (by === 'digest') return state === 'D' ? (row.digest ?? row.D) : '=';
  return state === 'C' ? (row.C ?? row.A) : row[state];
}

/** The codes that are right now. */
export function codesNow(expected: Expected, { state, kind }: FaultCase): readonly Code[] {
  const codes = typeof expected === 'string' ? [expected] : expected;
  const missing = state === 'D' || (state === 'C' && kind === 'blob');
  return codes.map((code) => (code === '=' ? (missing ? '200m' : '200') : code));
}

function isCut(expected: Expected): boolean {
  return expected === 'cut' || (Array.isArray(expected) && expected.includes('cut'));
}
