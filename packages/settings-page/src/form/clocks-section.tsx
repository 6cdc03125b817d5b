import { FormSection, Radio } from '@patternfly/react-core';
import { AmountInput } from '../parts/amount-input.js';
import { Field } from '../parts/field.js';
import { UNITS } from '../words/duration.js';
import { checkSentence, expirationSentence, stalenessSentence } from '../words/period-sentences.js';
import { ClocksFigure } from './clocks-figure.js';
import type { SectionProps } from './section-props.js';
import { type CheckChoice, clocksOf } from './settings-form.js';

/** The three clocks: when to ask, how long to shield, how long to keep. */
export function ClocksSection({ editor, disabled }: SectionProps) {
  const { form, problems, change } = editor;
  const clocks = clocksOf(form);
  const choose = (check: CheckChoice) => () => change({ check });
  return (
    <FormSection title="Protection and freshness" titleElement="h2">
      <Field
        id="staleness-period"
        label="Staleness period"
        problem={problems.staleness_period_s}
        help={
          clocks === undefined ? undefined : (
            <span data-testid="staleness-sentence" aria-live="polite">
              {stalenessSentence(form.upstream, clocks)}
            </span>
          )
        }
      >
        <AmountInput
          id="staleness-period"
          label="Staleness period"
          value={form.staleness}
          units={UNITS}
          invalid={problems.staleness_period_s !== undefined}
          disabled={disabled}
          testId="staleness-period-input"
          unitTestId="staleness-period-unit"
          onChange={(staleness) => change({ staleness })}
        />
      </Field>
      <Field
        id="check-interval"
        label="Check the upstream"
        role="radiogroup"
        problem={problems.check_interval_s}
        help={clocks === undefined ? undefined : checkSentence(form.upstream, clocks)}
      >
        <Radio
          id="check-once"
          name="check"
          data-testid="check-once"
          label="Once per staleness period"
          isChecked={form.check === 'once'}
          isDisabled={disabled}
          onChange={choose('once')}
        />
        <Radio
          id="check-always"
          name="check"
          data-testid="check-always"
          label="On every pull"
          isChecked={form.check === 'always'}
          isDisabled={disabled}
          onChange={choose('always')}
        />
        <Radio
          id="check-interval-choice"
          name="check"
          data-testid="check-interval"
          label="Every"
          isChecked={form.check === 'interval'}
          isDisabled={disabled}
          onChange={choose('interval')}
          body={
            form.check === 'interval' ? (
              <AmountInput
                id="check-interval"
                label="Check interval"
                value={form.checkInterval}
                units={UNITS}
                invalid={problems.check_interval_s !== undefined}
                disabled={disabled}
                testId="check-interval-input"
                unitTestId="check-interval-unit"
                onChange={(checkInterval) => change({ checkInterval })}
              />
            ) : undefined
          }
        />
      </Field>
      <Field
        id="expiration"
        label="Expiration"
        problem={problems.expiration_s}
        help={clocks === undefined ? undefined : `${expirationSentence(clocks)} 0 keeps them for ever.`}
      >
        <AmountInput
          id="expiration"
          label="Expiration"
          value={form.expiration}
          units={UNITS}
          invalid={problems.expiration_s !== undefined}
          disabled={disabled}
          testId="remote-registry-expiration"
          unitTestId="remote-registry-expiration-unit"
          onChange={(expiration) => change({ expiration })}
        />
      </Field>
      {clocks === undefined ? null : <ClocksFigure clocks={clocks} />}
    </FormSection>
  );
}
