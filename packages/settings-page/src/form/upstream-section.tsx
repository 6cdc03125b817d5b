import { Checkbox, FormSection, FormSelect, FormSelectOption, TextInput } from '@patternfly/react-core';
import { Field } from '../parts/field.js';
import { presetHint, UPSTREAM_PRESETS } from '../words/upstream-presets.js';
import { invalidity, type SectionProps } from './section-props.js';

/** Which registry is proxied. */
export function UpstreamSection({ editor, disabled }: SectionProps) {
  const { form, problems, change } = editor;
  const known = UPSTREAM_PRESETS.some(({ upstream }) => upstream === form.upstream) ? form.upstream : '';
  return (
    <FormSection title="Upstream" titleElement="h2">
      <Field
        id="remote-registry"
        label="Remote registry"
        required
        problem={problems.upstream_registry}
        help={presetHint(form.upstream) ?? 'host[:port][/namespace], without https://'}
      >
        <TextInput
          id="remote-registry"
          data-testid="remote-registry-input"
          value={form.upstream}
          isRequired
          isDisabled={disabled}
          placeholder="docker.io"
          spellCheck={false}
          autoCapitalize="off"
          {...invalidity('remote-registry', problems.upstream_registry)}
          onChange={(_event, upstream) => change({ upstream })}
        />
      </Field>
      <Field id="well-known-registry" label="Well-known registries">
        <FormSelect
          id="well-known-registry"
          data-testid="well-known-registry"
          value={known}
          isDisabled={disabled}
          onChange={(_event, upstream) => (upstream === '' ? undefined : change({ upstream, insecure: false }))}
        >
          <FormSelectOption value="" label="Choose one to fill in its address" />
          {UPSTREAM_PRESETS.map(({ upstream, name }) => (
            <FormSelectOption key={upstream} value={upstream} label={`${name} (${upstream})`} />
          ))}
        </FormSelect>
      </Field>
      <Checkbox
        id="remote-registry-insecure"
        data-testid="remote-registry-insecure"
        label="Insecure"
        description="Use http instead of https. Credentials and images then travel unprotected."
        isChecked={form.insecure}
        isDisabled={disabled}
        onChange={(_event, insecure) => change({ insecure })}
      />
    </FormSection>
  );
}
