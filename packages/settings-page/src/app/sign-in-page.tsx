import { Bullseye, Card, CardBody, CardTitle, Title } from '@patternfly/react-core';
import { useEffect } from 'react';
import { BrandMark } from './brand-mark.js';
import { SignInForm } from './sign-in-form.js';
import { applyTheme, storedTheme } from './theme.js';

interface SignInPageProps {
  signIn(username: string, password: string): Promise<void>;
  onSignedIn(): void;
}

/** The way in. */
export function SignInPage({ signIn, onSignedIn }: SignInPageProps) {
  useEffect(() => {
    document.title = 'Sign in · Breakwater';
    return applyTheme(storedTheme());
  }, []);
  return (
    <main style={{ height: '100%', background: 'var(--pf-t--global--background--color--secondary--default)' }}>
      <Bullseye>
        <Card isLarge style={{ width: 'min(28rem, 100vw)' }}>
          <CardTitle>
            <BrandMark />
          </CardTitle>
          <CardBody>
            <Title headingLevel="h1" size="xl" style={{ marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}>
              Sign in
            </Title>
            <SignInForm signIn={signIn} onSignedIn={onSignedIn} />
          </CardBody>
        </Card>
      </Bullseye>
    </main>
  );
}
