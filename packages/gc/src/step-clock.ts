import type { Clock } from '@breakwater/registry-core';
import { errorClass } from './errors.js';
import type { StepReport } from './report.js';

type StepNumbers<Name extends StepReport['name']> = Omit<
  Extract<StepReport, { readonly name: Name }>,
  'name' | 'ms' | 'error'
>;

interface RunningStep {
  readonly name: StepReport['name'];
  readonly numbers: object;
  ms: number;
  error?: string;
}

/** Times the steps of a run. A step that is made several times is reported once, with its numbers added up. */
export class StepClock {
  readonly #steps = new Map<StepReport['name'], RunningStep>();

  constructor(
    private readonly clock: Clock,
    private readonly failed: (step: StepReport['name'], error: unknown) => void,
  ) {}

  /** Resolves to whether the step went to its end. Never rejects. */
  async run<Name extends StepReport['name'], Numbers extends StepNumbers<Name>>(
    name: Name,
    blank: Numbers,
    work: (numbers: Numbers) => Promise<void>,
  ): Promise<boolean> {
    const step: RunningStep = this.#steps.get(name) ?? { name, numbers: blank, ms: 0 };
    this.#steps.set(name, step);
    const beganAt = this.clock.now();
    try {
      await work(step.numbers as Numbers);
      return true;
    } catch (error) {
      step.error = errorClass(error);
      this.failed(name, error);
      return false;
    } finally {
      step.ms += Math.max(0, this.clock.now() - beganAt);
    }
  }

  /** The steps so far, in the order in which they began. */
  reports(): readonly StepReport[] {
    return [...this.#steps.values()].map(
      ({ name, numbers, ms, error }) =>
        ({ name, ms, ...numbers, ...(error === undefined ? {} : { error }) }) as unknown as StepReport,
    );
  }
}
