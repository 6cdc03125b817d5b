import { Alert, AlertActionLink, List, ListItem } from '@patternfly/react-core';
import { durationWords } from '../words/duration.js';
import { differences, FIELD_LABELS } from './settings-form.js';
import type { SettingsEditor } from './use-settings-editor.js';

/** Somebody else was faster: what they changed, and what can be done without losing anything unseen. */
export function ConflictAlert({ editor }: { readonly editor: SettingsEditor }) {
  const { theirs, base } = editor;
  if (theirs === undefined) return null;
  return (
    <Alert
      component="p"
      isInline
      variant="warning"
      data-testid="settings-conflict"
      title="Somebody else has changed these settings while you were editing"
      actionLinks={
        <>
          <AlertActionLink onClick={editor.keepMine}>Keep my changes on top of theirs</AlertActionLink>
          <AlertActionLink onClick={editor.takeTheirs}>Discard mine and take theirs</AlertActionLink>
        </>
      }
    >
      Nothing of yours has been saved. They have changed:
      <List>
        {differences(base?.view, theirs.view).map(({ field, before, now }) => (
          <ListItem key={field}>
            {field === 'has_credentials' ? 'Credentials' : FIELD_LABELS[field]}:{' '}
            {base === undefined ? '' : `${shown(field, before)} → `}
            {shown(field, now)}
          </ListItem>
        ))}
      </List>
    </Alert>
  );
}

function shown(field: string, value: unknown): string {
  if (field.endsWith('_s') && typeof value === 'number') return durationWords(value);
  if (field === 'check_interval_s' && value === null) return 'once per staleness period';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}
