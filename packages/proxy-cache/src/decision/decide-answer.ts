import { FAILURE_CLASSES, type UpstreamFailureClass } from '@breakwater/registry-core';
import type { CachedTagState } from './freshness.js';

/** What came of asking the upstream about a tag. */
export type CheckOutcome =
  | { readonly kind: 'same' }
  | { readonly kind: 'moved' }
  | { readonly kind: 'failed'; readonly failureClass: UpstreamFailureClass };

/** The settings that have a say when the upstream answered, and said no. */
export interface RefusalSettings {
  readonly serveWhenRemoved: boolean;
  readonly serveWhenDenied: boolean;
}

/** What the client gets after the upstream was asked. */
export type AnswerDecision =
  /** The upstream confirmed the cached digest: its age starts anew. */
  | { readonly kind: 'confirm' }
  /** The tag points elsewhere now: serve what was fetched, and move the cached tag. */
  | { readonly kind: 'retarget' }
  /** Serve the cached image although the upstream did not confirm it. `why` is what a warning has to say. */
  | {
      readonly kind: 'shield';
      readonly why: 'outage' | 'removed' | 'denied';
      readonly failureClass: UpstreamFailureClass;
    }
  /** Pass the upstream's failure on. */
  | { readonly kind: 'pass'; readonly failureClass: UpstreamFailureClass };

/** The decision of design 4, second half: what becomes of the upstream's answer. Pure. */
export function decideAnswer(
  state: CachedTagState | 'absent',
  outcome: CheckOutcome,
  settings: RefusalSettings,
): AnswerDecision {
  if (outcome.kind === 'same') return { kind: 'confirm' };
  if (outcome.kind === 'moved') return { kind: 'retarget' };
  const { failureClass } = outcome;
  if (state === 'absent' || state === 'lapsed') return { kind: 'pass', failureClass };
  if (failureClass === 'removed') {
    return state === 'fresh' || settings.serveWhenRemoved
      ? { kind: 'shield', why: 'removed', failureClass }
      : { kind: 'pass', failureClass };
  }
  if (failureClass === 'denied') {
    return state === 'fresh' || settings.serveWhenDenied
      ? { kind: 'shield', why: 'denied', failureClass }
      : { kind: 'pass', failureClass };
  }
  return FAILURE_CLASSES[failureClass].shields === 'always'
    ? { kind: 'shield', why: 'outage', failureClass }
    : { kind: 'pass', failureClass };
}
