import { Alert } from '@patternfly/react-core';
import { failureWords } from '../api/api-failure.js';
import { Moment } from './moment.js';

interface NotRefreshedProps {
  /** Why the last attempt failed; `null` when it did not. */
  readonly error: Error | null;
  /** When what is shown was true, milliseconds since the epoch. */
  readonly shownSince: number;
}

/** What is shown is old, because it cannot be loaded any more; nothing while it can. */
export function NotRefreshed({ error, shownSince }: NotRefreshedProps) {
  if (error === null) return null;
  return (
    <Alert
      component="p"
      isInline
      variant="warning"
      title="This is not up to date"
      data-testid="not-refreshed"
      style={{ marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}
    >
      It is how things were at <Moment at={new Date(shownSince).toISOString()} />. {failureWords(error)}
    </Alert>
  );
}
