import { Button, Content, Modal, ModalBody, ModalHeader } from '@patternfly/react-core';
import { SignInForm } from './sign-in-form.js';

interface SessionEndedDialogProps {
  readonly isOpen: boolean;
  readonly username: string;
  signIn(username: string, password: string): Promise<void>;
  signOut(): Promise<void>;
}

/** The session has ended: signing in goes on where one was, with everything that was typed. */
export function SessionEndedDialog({ isOpen, username, signIn, signOut }: SessionEndedDialogProps) {
  return (
    <Modal isOpen={isOpen} variant="small" aria-labelledby="session-ended-title" aria-describedby="session-ended-text">
      <ModalHeader title="Your session has ended" labelId="session-ended-title" />
      <ModalBody>
        <Content component="p" id="session-ended-text">
          Sign in to go on. What you have typed is still here, and has not been saved.
        </Content>
        <SignInForm username={username} signIn={signIn} />
        <Button variant="link" isInline onClick={() => void signOut()}>
          Leave the page instead
        </Button>
      </ModalBody>
    </Modal>
  );
}
