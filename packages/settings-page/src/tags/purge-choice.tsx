import { Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Radio, TextInput } from '@patternfly/react-core';
import type { FormEvent, ReactNode } from 'react';
import type { PurgeSelection } from '../api/shapes.js';
import { AmountInput } from '../parts/amount-input.js';
import { describedBy } from '../parts/field.js';
import { parsePeriod, type TypedPeriod, UNITS } from '../words/duration.js';

/** What is to be purged, as chosen and typed. */
export interface TypedPurge {
  readonly scope: 'older' | 'repository' | 'all';
  readonly period: TypedPeriod;
  readonly repository: string;
  /** Whether mistakes are shown. */
  readonly tried: boolean;
}

export const NOTHING_TYPED: TypedPurge = {
  scope: 'older',
  period: { amount: '30', unit: 'days' },
  repository: '',
  tried: false,
};

interface PurgeChoiceProps {
  readonly typed: TypedPurge;
  onTyped(typed: TypedPurge): void;
  onChosen(selection: PurgeSelection): void;
}

/** The form with id `purge-choice`, whose submit previews a purge. */
export function PurgeChoice({ typed, onTyped, onChosen }: PurgeChoiceProps) {
  const { scope, period, repository, tried } = typed;
  const parsed = parsePeriod(period);
  const periodProblem = tried && scope === 'older' && 'problem' in parsed ? `The period ${parsed.problem}` : undefined;
  const repositoryProblem =
    tried && scope === 'repository' && repository.trim() === '' ? 'The repository is required' : undefined;
  const choose = (chosen: TypedPurge['scope']) => () => onTyped({ ...typed, scope: chosen });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onTyped({ ...typed, tried: true });
    if (scope === 'all') onChosen({ all: true });
    else if (scope === 'repository' && repository.trim() !== '') onChosen({ repository: repository.trim() });
    else if (scope === 'older' && 'seconds' in parsed) onChosen({ older_than_s: parsed.seconds });
  };
  return (
    <Form id="purge-choice" onSubmit={submit} aria-label="What to purge">
      <FormGroup role="radiogroup" fieldId="purge-scope" label="What is to go">
        <Radio
          id="purge-older"
          name="purge-scope"
          label="What nobody has pulled for"
          isChecked={scope === 'older'}
          onChange={choose('older')}
          body={
            <>
              <AmountInput
                id="purge-older-than"
                label="Not pulled for"
                value={period}
                units={UNITS}
                invalid={periodProblem !== undefined}
                disabled={scope !== 'older'}
                testId="purge-older-than"
                unitTestId="purge-older-than-unit"
                onChange={(next) => onTyped({ ...typed, period: next })}
              />
              <Problem id="purge-older-than">{periodProblem}</Problem>
            </>
          }
        />
        <Radio
          id="purge-repository"
          name="purge-scope"
          data-testid="purge-repository"
          label="One repository"
          isChecked={scope === 'repository'}
          onChange={choose('repository')}
          body={
            <>
              <TextInput
                id="purge-repository-name"
                data-testid="purge-repository-name"
                aria-label="Repository"
                aria-describedby={describedBy('purge-repository-name')}
                placeholder="library/nginx"
                value={repository}
                isDisabled={scope !== 'repository'}
                validated={repositoryProblem === undefined ? 'default' : 'error'}
                onChange={(_event, value) => onTyped({ ...typed, repository: value })}
              />
              <Problem id="purge-repository-name">{repositoryProblem}</Problem>
            </>
          }
        />
        <Radio
          id="purge-all"
          name="purge-scope"
          data-testid="purge-all"
          label="Everything that is not pinned"
          isChecked={scope === 'all'}
          onChange={choose('all')}
        />
      </FormGroup>
    </Form>
  );
}

function Problem({ id, children }: { readonly id: string; readonly children: ReactNode }) {
  return (
    <FormHelperText>
      <HelperText id={describedBy(id)} isLiveRegion>
        {children === undefined ? null : <HelperTextItem variant="error">{children}</HelperTextItem>}
      </HelperText>
    </FormHelperText>
  );
}
