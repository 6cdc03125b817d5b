import { Alert, AlertActionLink, List, ListItem } from '@patternfly/react-core';
import { settingWords } from '../words/setting-words.js';
import { differences } from './settings-form.js';
import type { SettingsEditor } from './use-settings-editor.js';

/** Somebody else was faster: what they have done, and what can be done without losing anything unseen. */
export function ConflictAlert({ editor }: { readonly editor: SettingsEditor }) {
  const { theirs } = editor;
  if (theirs === undefined) return null;
  return theirs === 'deleted' ? <Deleted editor={editor} /> : <Changed editor={editor} />;
}

function Deleted({ editor }: { readonly editor: SettingsEditor }) {
  return (
    <Alert
      component="p"
      isInline
      variant="warning"
      data-testid="settings-deleted"
      title="Somebody else has deleted this configuration while you were editing"
      actionLinks={
        <>
          <AlertActionLink onClick={editor.keepMine}>Create it again with what I typed</AlertActionLink>
          <AlertActionLink onClick={editor.takeTheirs}>Discard what I typed</AlertActionLink>
        </>
      }
    >
      Nothing of yours has been saved, and nothing is proxied here any more. The stored credentials and certificates
      went with it: to create it again, type them anew and save.
    </Alert>
  );
}

function Changed({ editor }: { readonly editor: SettingsEditor }) {
  const { theirs, base } = editor;
  if (theirs === undefined || theirs === 'deleted') return null;
  const changed = differences(base?.view, theirs.view);
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
        {changed.map(({ field, label, before, now }) => (
          <ListItem key={field}>
            {label}: {base === undefined ? '' : `${settingWords(field, before)} → `}
            {settingWords(field, now)}
          </ListItem>
        ))}
        {changed.length === 0 ? <ListItem>The stored username or password, which is shown to nobody</ListItem> : null}
      </List>
    </Alert>
  );
}
