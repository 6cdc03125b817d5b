import { Button, Content, Modal, ModalBody, ModalHeader } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { Failure } from '../parts/failure.js';
import { SignInForm } from './sign-in-form.js';

interface SessionEndedDialogProps {
  readonly isOpen: boolean;
  readonly username: string;
  signIn(username: string, password: string): Promise<void>;
  signOut(): Promise<void>;
}

/** The session has ended: signing in goes on where one was, with everything that was typed. */
export function SessionEndedDialog({ isOpen, username, signIn, signOut }: SessionEndedDialogProps) {
  const leaving = useMutation({ mutationFn: signOut });
  return (
    <Modal isOpen={isOpen} variant="small" aria-labelledby="session-ended-title" aria-describedby="session-ended-text">
      <ModalHeader title="Your session has ended" labelId="session-ended-title" />
      <ModalBody>
        <Content component="p" id="session-ended-text">
          Sign in to go on. What you have typed is still here, and has not been saved.
        </Content>
        <SignInForm username={username} signIn={signIn} />
        {leaving.error === null ? null : <Failure title="You have not been signed out" error={leaving.error} />}
        <Button
          variant="link"
          isInline
          data-testid="leave-page"
          isDisabled={leaving.isPending}
          onClick={() => leaving.mutate()}
        >
          Leave the page instead
        </Button>
      </ModalBody>
    </Modal>
  );
}
