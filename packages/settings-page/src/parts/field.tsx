import { FormGroup, FormHelperText, HelperText, HelperTextItem } from '@patternfly/react-core';
import type { ReactNode } from 'react';

interface FieldProps {
  /** Id of the input that the label is for. */
  readonly id: string;
  readonly label: string;
  readonly required?: boolean;
  /** What the field does, below it. */
  readonly help?: ReactNode;
  /** What is wrong; the sentence begins after the name of the field. */
  readonly problem?: string;
  /** For several inputs under one label. */
  readonly role?: 'group' | 'radiogroup';
  readonly children: ReactNode;
}

/** A labelled input with its help and what is wrong with it; the input must name `describedBy(id)`. */
export function Field({ id, label, required = false, help, problem, role, children }: FieldProps) {
  return (
    <FormGroup label={label} isRequired={required} {...(role === undefined ? { fieldId: id } : { role, fieldId: id })}>
      {children}
      <FormHelperText>
        <HelperText id={describedBy(id)} isLiveRegion={problem !== undefined}>
          {problem === undefined ? null : (
            <HelperTextItem variant="error">
              {label} {problem}
            </HelperTextItem>
          )}
          {help === undefined ? null : <HelperTextItem>{help}</HelperTextItem>}
        </HelperText>
      </FormHelperText>
    </FormGroup>
  );
}

/** Id of the text that describes an input. */
export function describedBy(id: string): string {
  return `${id}-help`;
}
