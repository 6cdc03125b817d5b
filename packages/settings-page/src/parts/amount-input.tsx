import { FormSelect, FormSelectOption, InputGroup, InputGroupItem, TextInput } from '@patternfly/react-core';
import { describedBy } from './field.js';

interface AmountInputProps<Unit extends string> {
  readonly id: string;
  /** What the number is, for who cannot see the label. */
  readonly label: string;
  readonly value: { readonly amount: string; readonly unit: Unit };
  readonly units: readonly Unit[];
  readonly invalid: boolean;
  readonly disabled: boolean;
  readonly testId: string;
  readonly unitTestId: string;
  onChange(value: { readonly amount: string; readonly unit: Unit }): void;
}

/** A whole number and its unit. */
export function AmountInput<Unit extends string>(props: AmountInputProps<Unit>) {
  const { id, label, value, units, invalid, disabled, onChange } = props;
  return (
    <InputGroup>
      <InputGroupItem>
        <TextInput
          id={id}
          data-testid={props.testId}
          inputMode="numeric"
          autoComplete="off"
          size={9}
          value={value.amount}
          validated={invalid ? 'error' : 'default'}
          isDisabled={disabled}
          aria-label={label}
          aria-describedby={describedBy(id)}
          aria-invalid={invalid}
          onChange={(_event, amount) => onChange({ ...value, amount })}
        />
      </InputGroupItem>
      <InputGroupItem>
        <FormSelect
          id={`${id}-unit`}
          data-testid={props.unitTestId}
          value={value.unit}
          isDisabled={disabled}
          aria-label={`${label}: unit`}
          onChange={(_event, unit) => onChange({ ...value, unit: unit as Unit })}
        >
          {units.map((unit) => (
            <FormSelectOption
              key={unit}
              value={unit}
              label={value.amount.trim() === '1' ? unit.replace(/s$/, '') : unit}
            />
          ))}
        </FormSelect>
      </InputGroupItem>
    </InputGroup>
  );
}
