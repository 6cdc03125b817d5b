import { ActionGroup, Alert, Button, Form, FormGroup, TextInput } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { failureWords, isApiFailure } from '../api/api-failure.js';

interface SignInFormProps {
  /** Who has to sign in; anybody when empty. */
  readonly username?: string;
  signIn(username: string, password: string): Promise<void>;
  readonly onSignedIn?: () => void;
}

/** Name and password. */
export function SignInForm({ username: given = '', signIn, onSignedIn }: SignInFormProps) {
  const [username, setUsername] = useState(given);
  const [password, setPassword] = useState('');
  const signingIn = useMutation({
    mutationFn: () => signIn(username, password),
    onSuccess: () => onSignedIn?.(),
    // What is wrong is said here; it is not a session that has ended.
    onError: () => setPassword(''),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signingIn.mutate();
  };
  return (
    <Form onSubmit={submit} aria-label="Sign in">
      {signingIn.error === null ? null : (
        <Alert component="p" isInline variant="danger" title="You are not signed in" data-testid="sign-in-failure">
          {signInFailure(signingIn.error)}
        </Alert>
      )}
      <FormGroup label="Username" isRequired fieldId="sign-in-username">
        <TextInput
          id="sign-in-username"
          data-testid="sign-in-username"
          isRequired
          autoComplete="username"
          autoCapitalize="off"
          spellCheck={false}
          value={username}
          onChange={(_event, value) => setUsername(value)}
        />
      </FormGroup>
      <FormGroup label="Password" isRequired fieldId="sign-in-password">
        <TextInput
          id="sign-in-password"
          data-testid="sign-in-password"
          isRequired
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(_event, value) => setPassword(value)}
        />
      </FormGroup>
      <ActionGroup>
        <Button
          type="submit"
          data-testid="sign-in-button"
          isLoading={signingIn.isPending}
          isDisabled={signingIn.isPending || username === '' || password === ''}
        >
          Sign in
        </Button>
      </ActionGroup>
    </Form>
  );
}

function signInFailure(error: unknown): string {
  if (isApiFailure(error) && (error.status === 401 || error.status === 403)) {
    return 'The username or the password is wrong.';
  }
  if (isApiFailure(error) && error.status === 429) {
    return error.detail === '' ? 'Too many attempts. Wait a minute and try again.' : error.detail;
  }
  return failureWords(error);
}
