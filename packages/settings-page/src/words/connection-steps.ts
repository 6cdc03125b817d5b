import type { ConnectionReport, ConnectionStep } from '../api/shapes.js';
import { counted } from './duration.js';
import { failureClassWords } from './failure-classes.js';

/** A step of a connection test in words. */
export interface StepWords {
  readonly step: string;
  readonly title: string;
  readonly outcome: 'success' | 'danger' | 'skipped';
  /** What came of it, and what to try when it failed. */
  readonly description: string;
}

/** What each step asks, and what it means that it went well. */
const STEPS: Readonly<Record<string, { readonly title: string; readonly passed: string }>> = {
  name: { title: 'Name', passed: 'The name resolves.' },
  address: { title: 'Address', passed: 'The address may be dialled.' },
  connection: { title: 'Connection', passed: 'It answers.' },
  tls: { title: 'TLS', passed: 'Its certificate is accepted.' },
  registry: { title: 'Is it a registry', passed: 'It speaks as a container registry does.' },
  token: { title: 'Credentials', passed: 'They are accepted.' },
  sample: { title: 'Sample image', passed: 'It can be pulled.' },
  rate_limit: { title: 'Rate limit', passed: 'There are pulls left.' },
};

const NOT_TAKEN: Readonly<Record<string, string>> = {
  not_reached: 'Not tried, because a step before it failed.',
  not_needed: 'Not needed here.',
  not_asked: 'Not asked for; name an image above to try one.',
  not_told: 'The upstream does not tell.',
};

/** The steps of a report in words. */
export function connectionWords({ steps, rate_limit }: ConnectionReport): readonly StepWords[] {
  return steps.map((step) => ({ step: step.step, title: STEPS[step.step]?.title ?? step.step, ...outcomeOf(step) }));

  function outcomeOf({ step, ok, reason }: ConnectionStep): Pick<StepWords, 'outcome' | 'description'> {
    if (ok === null) return { outcome: 'skipped', description: NOT_TAKEN[reason ?? ''] ?? 'Not tried.' };
    if (!ok) return { outcome: 'danger', description: failed(step, reason ?? '') };
    if (step === 'rate_limit' && rate_limit !== null) {
      const { remaining, limit } = rate_limit;
      return {
        outcome: 'success',
        description: `${counted(remaining, 'pulls')} left of ${limit.toLocaleString('en')}.`,
      };
    }
    return { outcome: 'success', description: STEPS[step]?.passed ?? 'Passed.' };
  }
}

function failed(step: string, reason: string): string {
  if (step === 'sample' && reason === 'removed') return 'The upstream has no such image. Check its name and tag.';
  const { happened, advice } = failureClassWords(reason);
  return `The upstream ${happened}. ${advice}`;
}
