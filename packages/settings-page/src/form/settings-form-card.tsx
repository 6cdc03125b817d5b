import { ActionGroup, Alert, Button, Content, EmptyState, EmptyStateBody, Form, Label } from '@patternfly/react-core';
import { type FormEvent, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import { ConnectionTest } from '../connection/connection-test.js';
import { useWarningOnLeaving } from '../parts/use-warning-on-leaving.js';
import { ClocksSection } from './clocks-section.js';
import { ConflictAlert } from './conflict-alert.js';
import { CredentialsSection } from './credentials-section.js';
import { DeleteDialog } from './delete-dialog.js';
import { MistakesAlert, useFocusOnMistake } from './mistakes.js';
import { RulesSection } from './rules-section.js';
import { SaveFailure } from './save-failure.js';
import { UpstreamSection } from './upstream-section.js';
import type { SettingsEditor } from './use-settings-editor.js';

interface SettingsFormCardProps {
  readonly api: SettingsPageApi;
  readonly editor: SettingsEditor;
  readonly organization: string;
  /** Whether the reader may change anything. */
  readonly mayWrite: boolean;
}

/** The form, with Quay's fields and test ids, and what this registry adds. */
export function SettingsFormCard({ api, editor, organization, mayWrite }: SettingsFormCardProps) {
  const [deleteAsked, setDeleteAsked] = useState(false);
  const { base, problems } = editor;
  const disabled = !mayWrite || editor.saving || editor.deleting;
  const form = useFocusOnMistake(editor.refusals);
  useWarningOnLeaving(editor.changed && mayWrite);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (mayWrite) editor.save();
  };
  if (base === undefined && !mayWrite) return <NothingConfigured organization={organization} />;
  return (
    <div ref={form}>
      <Form onSubmit={submit} isWidthLimited noValidate aria-label="Settings of the upstream" autoComplete="off">
        {mayWrite ? null : (
          <Alert component="p" isInline variant="info" title="You can see these settings, but not change them">
            Only administrators of {organization} may change them.
          </Alert>
        )}
        {base === undefined ? (
          <Content component="p" data-testid="not-configured-yet">
            Nothing is proxied here yet. Name a registry, and what is pulled from {organization} comes from there,
            through a cache that goes on serving it while that registry is down. All the rest can stay as it is, and be
            changed later.
          </Content>
        ) : null}
        <UpstreamSection editor={editor} disabled={disabled} />
        <CredentialsSection editor={editor} disabled={disabled} />
        <ClocksSection editor={editor} disabled={disabled} />
        <RulesSection editor={editor} disabled={disabled} />
        {mayWrite ? <ConnectionTest api={api} organization={organization} editor={editor} /> : null}
        <ConflictAlert editor={editor} />
        <SaveFailure editor={editor} />
        {Object.keys(problems).length === 0 ? null : <MistakesAlert count={Object.keys(problems).length} />}
        <ActionGroup>
          <Button
            type="submit"
            variant="primary"
            data-testid="save-proxy-cache-btn"
            isDisabled={disabled || (base !== undefined && !editor.changed)}
            isLoading={editor.saving}
          >
            Save
          </Button>
          {editor.changed ? (
            <Button variant="link" isDisabled={disabled} onClick={editor.discard}>
              Discard changes
            </Button>
          ) : null}
          <Button
            variant="danger"
            data-testid="delete-proxy-cache-btn"
            // Quay's programs look whether it is there and disabled; for people it is only in the way.
            style={base === undefined ? { display: 'none' } : undefined}
            isDisabled={disabled || base === undefined}
            isLoading={editor.deleting}
            onClick={() => setDeleteAsked(true)}
          >
            Delete
          </Button>
          <span aria-live="polite">
            {editor.changed && mayWrite ? (
              <Label color="orange" data-testid="unsaved-changes">
                Unsaved changes
              </Label>
            ) : null}
          </span>
        </ActionGroup>
        <DeleteDialog
          isOpen={deleteAsked}
          organization={organization}
          onCancel={() => setDeleteAsked(false)}
          onConfirm={() => {
            setDeleteAsked(false);
            editor.remove();
          }}
        />
      </Form>
    </div>
  );
}

/** For who may not configure it: settings that nobody has made are no settings. */
function NothingConfigured({ organization }: { readonly organization: string }) {
  return (
    <EmptyState titleText="Nothing is proxied here yet" headingLevel="h2" data-testid="not-configured">
      <EmptyStateBody>
        Images of {organization} come from no other registry. Its administrators can configure one here.
      </EmptyStateBody>
    </EmptyState>
  );
}
