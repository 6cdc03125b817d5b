import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';

interface DeleteDialogProps {
  readonly isOpen: boolean;
  readonly organization: string;
  onCancel(): void;
  onConfirm(): void;
}

/** Asks before the configuration goes, and says what that does. */
export function DeleteDialog({ isOpen, organization, onCancel, onConfirm }: DeleteDialogProps) {
  return (
    <Modal
      isOpen={isOpen}
      variant="small"
      onClose={onCancel}
      aria-labelledby="delete-title"
      aria-describedby="delete-text"
    >
      <ModalHeader title={`Stop proxying in ${organization}?`} labelId="delete-title" titleIconVariant="warning" />
      <ModalBody id="delete-text">
        Pulls from {organization} fail at once, those of cached images too. The stored credentials are deleted. What is
        cached goes with a later garbage collection; until then configuring the same registry again finds it.
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" data-testid="confirm-delete" onClick={onConfirm}>
          Delete
        </Button>
        <Button variant="link" onClick={onCancel}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  );
}
