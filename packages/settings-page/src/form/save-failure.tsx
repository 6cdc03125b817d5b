import { Alert, AlertActionLink } from '@patternfly/react-core';
import { failureWords } from '../api/api-failure.js';
import { failureClassWords } from '../words/failure-classes.js';
import type { SettingsEditor } from './use-settings-editor.js';

/** Why nothing was saved. An upstream that does not answer now is no reason not to save: that can be done all the same. */
export function SaveFailure({ editor }: { readonly editor: SettingsEditor }) {
  const { failure, form, base } = editor;
  if (failure === undefined) return null;
  const { reason } = failure;
  const words = reason === undefined ? undefined : failureClassWords(reason);
  const untried = base === undefined && reason !== undefined && reason !== 'blocked';
  return (
    <Alert
      component="p"
      isInline
      variant="danger"
      data-testid="save-failure"
      title="Nothing has been saved"
      actionLinks={
        untried ? (
          <AlertActionLink data-testid="save-untried" onClick={() => editor.save({ untried: true })}>
            Save all the same
          </AlertActionLink>
        ) : undefined
      }
    >
      <p>{failureWords(failure)}</p>
      {words === undefined ? null : (
        <p>
          {form.upstream} {words.happened}. {words.advice}
        </p>
      )}
    </Alert>
  );
}
