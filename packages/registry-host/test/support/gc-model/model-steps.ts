import fc from 'fast-check';
import { MODEL_IMAGES } from './model-images.js';

/** One thing that happens. `organization` and `image` are positions. */
export type ModelStep =
  | {
      readonly kind: 'pull';
      readonly organization: number;
      readonly tag: string;
      /** How much of the image is pulled. */
      readonly extent: 'head' | 'manifest' | 'one platform' | 'everything';
    }
  | {
      readonly kind: 'pull digest';
      readonly organization: number;
      readonly image: number;
      readonly extent: 'head' | 'manifest' | 'one platform' | 'everything';
    }
  | { readonly kind: 'move'; readonly organization: number; readonly tag: string; readonly image: number }
  | { readonly kind: 'outage'; readonly organization: number }
  | { readonly kind: 'recovery'; readonly organization: number }
  | {
      readonly kind: 'settings';
      readonly organization: number;
      readonly stalenessS: number;
      readonly expirationS: number;
      readonly checkIntervalS: number;
    }
  | { readonly kind: 'jump'; readonly ms: number }
  | { readonly kind: 'pin' | 'unpin'; readonly organization: number; readonly tag: string }
  | { readonly kind: 'crash' }
  | { readonly kind: 'collect' }
  /** The process dies so long after the collection has begun, ms of real time. */
  | { readonly kind: 'crash while collecting'; readonly afterMs: number };

export const MODEL_ORGANIZATIONS = 2;
export const MODEL_TAGS = ['a', 'b', 'c'] as const;
export const STALENESS_S = [0, 60, 3_600, 86_400] as const;
export const EXPIRATION_S = [0, 1, 60, 600, 7_200] as const;
export const GRACE_S = 600;
export const HOLD_S = 20 * 86_400;

const organization = fc.nat(MODEL_ORGANIZATIONS - 1);
const tag = fc.constantFrom(...MODEL_TAGS);
const image = fc.nat(MODEL_IMAGES.length - 1);
const extent = fc.constantFrom('head', 'manifest', 'one platform', 'everything', 'everything', 'everything');

/** Just before, at, and just after each period that decides, and much longer. */
const jump = fc
  .tuple(
    fc.constantFrom(1, 5, 10, 30, 60, 300, 600, 610, 3_600, 3_610, 7_200, 86_400, 3 * 86_400, HOLD_S),
    fc.constantFrom(-1, 0, 1, 500, 10_001),
  )
  .map(([seconds, offset]) => seconds * 1000 + offset);

/** What may happen, as often as it is of use. */
export const modelStep: fc.Arbitrary<ModelStep> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ kind: fc.constant('pull'), organization, tag, extent }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('pull digest'), organization, image, extent }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant('move'), organization, tag, image }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('outage'), organization }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('recovery'), organization }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('settings'),
      organization,
      stalenessS: fc.constantFrom(...STALENESS_S),
      expirationS: fc.constantFrom(...EXPIRATION_S),
      // Shorter than what has a check made ahead, behind the answer: whoever looks from outside could not tell when.
      checkIntervalS: fc.constantFrom(0, 30, 599),
    }),
  },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('jump'), ms: jump }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pin'), organization, tag }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('unpin'), organization, tag }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash') }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('collect') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash while collecting'), afterMs: fc.nat(40) }) },
) as fc.Arbitrary<ModelStep>;
