import { Alert } from '@patternfly/react-core';
import { type RefObject, useEffect, useRef } from 'react';

/** How many fields are not right, beside the button that was pressed. */
export function MistakesAlert({ count }: { readonly count: number }) {
  const title = count === 1 ? 'One field is not right yet' : `${count} fields are not right yet`;
  return (
    <Alert component="p" isInline variant="danger" title={title} data-testid="form-mistakes">
      Nothing has been saved. What is wrong stands at the {count === 1 ? 'field' : 'fields'}.
    </Alert>
  );
}

/** Leads to the first field that is not right, each time that a save was refused for one. */
export function useFocusOnMistake(refusals: number): RefObject<HTMLDivElement | null> {
  const form = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (refusals > 0) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [refusals]);
  return form;
}
