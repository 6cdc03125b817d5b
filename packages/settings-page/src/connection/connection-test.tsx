import {
  Button,
  FormGroup,
  FormSection,
  InputGroup,
  InputGroupItem,
  ProgressStep,
  ProgressStepper,
  TextInput,
} from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { type KeyboardEvent, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { ConnectionReport, SettingsBody } from '../api/shapes.js';
import type { SettingsEditor } from '../form/use-settings-editor.js';
import { Failure } from '../parts/failure.js';
import { connectionWords, type StepWords } from '../words/connection-steps.js';

interface ConnectionTestProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  readonly editor: SettingsEditor;
}

const VARIANTS: Readonly<Record<StepWords['outcome'], 'success' | 'danger' | 'pending'>> = {
  success: 'success',
  danger: 'danger',
  skipped: 'pending',
};
const SPOKEN: Readonly<Record<StepWords['outcome'], string>> = {
  success: 'passed',
  danger: 'failed',
  skipped: 'not tried',
};

/** Tries what is typed, step by step, without saving it. */
export function ConnectionTest({ api, organization, editor }: ConnectionTestProps) {
  const [sample, setSample] = useState('');
  const testing = useMutation({
    mutationFn: (body: SettingsBody) =>
      api.testConnection(organization, body, sample.trim() === '' ? undefined : sample.trim()),
  });
  const start = () => {
    const body = editor.trial();
    if (body !== undefined) testing.mutate(body);
  };
  const startByKey = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return;
    // Here it means the test, not the save.
    event.preventDefault();
    start();
  };
  return (
    <FormSection title="Test" titleElement="h2">
      <FormGroup label="An image to try as well" fieldId="sample-image">
        <InputGroup>
          <InputGroupItem isFill>
            <TextInput
              id="sample-image"
              data-testid="sample-image"
              placeholder="library/alpine:latest"
              spellCheck={false}
              autoCapitalize="off"
              value={sample}
              onChange={(_event, value) => setSample(value)}
              onKeyDown={startByKey}
            />
          </InputGroupItem>
          <InputGroupItem>
            <Button
              variant="secondary"
              data-testid="test-connection"
              isLoading={testing.isPending}
              isDisabled={testing.isPending}
              onClick={start}
            >
              Test connection
            </Button>
          </InputGroupItem>
        </InputGroup>
      </FormGroup>
      <div aria-live="polite">
        {testing.data === undefined ? null : <Report report={testing.data} />}
        {testing.error === null ? null : <Failure title="The connection could not be tested" error={testing.error} />}
      </div>
    </FormSection>
  );
}

function Report({ report }: { readonly report: ConnectionReport }) {
  return (
    <ProgressStepper isVertical aria-label="Steps of the connection test" data-testid="connection-report">
      {connectionWords(report).map(({ step, title, outcome, description }) => (
        <ProgressStep
          key={step}
          id={`step-${step}`}
          titleId={`step-${step}-title`}
          variant={VARIANTS[outcome]}
          aria-label={`${title}: ${SPOKEN[outcome]}`}
          description={description}
          data-testid={`step-${step}`}
          data-outcome={outcome}
        >
          {title}
        </ProgressStep>
      ))}
    </ProgressStepper>
  );
}
