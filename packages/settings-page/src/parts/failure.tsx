import { Alert, Button } from '@patternfly/react-core';
import { failureWords } from '../api/api-failure.js';

interface FailureProps {
  /** What could not be done: "The timeline could not be loaded". */
  readonly title: string;
  readonly error: unknown;
  readonly onRetry?: () => void;
}

/** Something could not be loaded or done, why, and the way to try again. */
export function Failure({ title, error, onRetry }: FailureProps) {
  return (
    <Alert
      component="p"
      isInline
      variant="danger"
      title={title}
      actionLinks={
        onRetry === undefined ? undefined : (
          <Button variant="link" isInline onClick={onRetry}>
            Try again
          </Button>
        )
      }
    >
      {failureWords(error)}
    </Alert>
  );
}
