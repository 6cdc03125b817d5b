import { Alert, Checkbox, FormSection, TextInput } from '@patternfly/react-core';
import { Field } from '../parts/field.js';
import { invalidity, type SectionProps } from './section-props.js';

/** What the upstream is asked with. */
export function CredentialsSection({ editor, disabled }: SectionProps) {
  const { form, base, problems, change } = editor;
  const stored = base?.view.has_credentials === true;
  const keeps = stored && !form.removeCredentials;
  return (
    <FormSection title="Credentials" titleElement="h2">
      <Alert
        component="p"
        isInline
        isPlain
        variant="info"
        title="Whoever may pull from here sees what these credentials see"
      >
        Everybody who may pull from this organization can pull every repository that these credentials can read.
      </Alert>
      <Field
        id="remote-registry-username"
        label="Remote registry username"
        problem={problems.upstream_registry_username}
        help={keeps ? 'Stored, and never shown again. Leave both empty to keep them.' : undefined}
      >
        <TextInput
          id="remote-registry-username"
          data-testid="remote-registry-username"
          value={form.username}
          isDisabled={disabled}
          autoComplete="off"
          spellCheck={false}
          placeholder={keeps ? 'unchanged' : ''}
          {...invalidity('remote-registry-username', problems.upstream_registry_username)}
          onChange={(_event, username) => change({ username, removeCredentials: false })}
        />
      </Field>
      <Field
        id="remote-registry-password"
        label="Remote registry password"
        problem={problems.upstream_registry_password}
        help="An access token with the right to pull is enough, and better than a password."
      >
        <TextInput
          id="remote-registry-password"
          data-testid="remote-registry-password"
          type="password"
          value={form.password}
          isDisabled={disabled}
          autoComplete="new-password"
          placeholder={keeps ? 'unchanged' : ''}
          {...invalidity('remote-registry-password', problems.upstream_registry_password)}
          onChange={(_event, password) => change({ password, removeCredentials: false })}
        />
      </Field>
      {stored ? (
        <Checkbox
          id="remove-credentials"
          data-testid="remove-credentials"
          label="Remove the stored credentials"
          isChecked={form.removeCredentials}
          isDisabled={disabled || form.username !== '' || form.password !== ''}
          onChange={(_event, removeCredentials) => change({ removeCredentials })}
        />
      ) : null}
    </FormSection>
  );
}
