import {
  Alert,
  Button,
  Content,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Label,
  type LabelProps,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Progress,
  TextArea,
} from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { WarmBegun, WarmProgress, WarmState } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { sizeWords } from '../words/byte-size.js';
import { readWarmText } from '../words/warm-text.js';
import { useWarmProgress } from './use-warm-progress.js';

interface WarmDialogProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  /** What is being fetched already; `undefined` asks for what is to be. */
  readonly begun: WarmBegun | undefined;
  onBegun(begun: WarmBegun): void;
  onClose(): void;
  onFetched(): Promise<void>;
}

const STATES: Readonly<Record<WarmState, { readonly text: string; readonly color: LabelProps['color'] }>> = {
  waiting: { text: 'Waiting', color: 'grey' },
  fetching: { text: 'Fetching', color: 'blue' },
  done: { text: 'Cached', color: 'green' },
  failed: { text: 'Failed', color: 'red' },
};

/** Fetches images before somebody pulls them, and shows how far that is; it goes on when the dialog is closed. */
export function WarmDialog({ api, organization, begun, onBegun, onClose, onFetched }: WarmDialogProps) {
  const [text, setText] = useState('');
  const beginning = useMutation({
    mutationFn: () => api.warm(organization, readWarmText(text)),
    onSuccess: onBegun,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    beginning.mutate();
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="warm-title" aria-describedby="warm-text">
      <ModalHeader title="Fetch images" labelId="warm-title" />
      <ModalBody id="warm-text" data-testid="warm-dialog">
        {beginning.error === null ? null : <Failure title="Nothing is being fetched" error={beginning.error} />}
        {begun === undefined ? (
          <Form id="warm-form" onSubmit={submit} aria-label="What to fetch">
            <FormGroup label="Images, or a Kubernetes manifest" fieldId="warm-references">
              <TextArea
                id="warm-references"
                data-testid="warm-references"
                rows={8}
                resizeOrientation="vertical"
                spellCheck={false}
                placeholder={'library/nginx:1.27\nlibrary/redis:7'}
                value={text}
                aria-describedby="warm-references-help"
                onChange={(_event, value) => setText(value)}
              />
              <FormHelperText>
                <HelperText id="warm-references-help">
                  <HelperTextItem>
                    One image in each line, or the YAML of your workloads: its images of this upstream are taken.
                  </HelperTextItem>
                </HelperText>
              </FormHelperText>
            </FormGroup>
          </Form>
        ) : (
          <Begun api={api} organization={organization} begun={begun} onFetched={onFetched} />
        )}
      </ModalBody>
      <ModalFooter>
        {begun === undefined ? (
          <Button
            type="submit"
            form="warm-form"
            data-testid="start-warm"
            isLoading={beginning.isPending}
            isDisabled={beginning.isPending || text.trim() === ''}
          >
            Fetch
          </Button>
        ) : null}
        <Button variant="link" onClick={onClose}>
          {begun === undefined ? 'Cancel' : 'Close'}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

interface BegunProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  readonly begun: WarmBegun;
  onFetched(): Promise<void>;
}

function Begun({ api, organization, begun, onFetched }: BegunProps) {
  const progress = useWarmProgress(api, organization, begun.id);
  const finished = progress.data?.finished === true;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is finished
  useEffect(() => {
    if (finished) void onFetched();
  }, [finished]);
  return (
    <>
      {begun.ignored.length === 0 ? null : (
        <Alert component="p" isInline variant="info" title="Images that are not fetched through this organization">
          <List>
            {begun.ignored.map(({ image, why }) => (
              <ListItem key={image}>
                {image}: {why}
              </ListItem>
            ))}
          </List>
        </Alert>
      )}
      {progress.data === undefined ? null : <Images progress={progress.data} />}
      {progress.error === null ? null : <Failure title="How far it is could not be loaded" error={progress.error} />}
    </>
  );
}

function Images({ progress: { counts, references } }: { readonly progress: WarmProgress }) {
  const ended = counts.done + counts.failed;
  return (
    <>
      <Progress
        title="Images"
        value={ended}
        max={references.length}
        valueText={`${ended} of ${references.length}`}
        label={`${ended} of ${references.length}`}
        variant={counts.failed > 0 ? 'danger' : ended === references.length ? 'success' : undefined}
        data-testid="warm-progress"
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <section aria-label="Images that are fetched" tabIndex={0} style={{ maxHeight: '18rem', overflow: 'auto' }}>
        <List isPlain>
          {references.map(({ reference, state, fetched_bytes, failure }) => (
            <ListItem key={reference} data-testid={`warm-${reference}`}>
              <Label color={STATES[state].color}>{STATES[state].text}</Label> {reference}
              {fetched_bytes === 0 ? '' : `, ${sizeWords(fetched_bytes)}`}
              {failure === null ? null : <Content component="small">{failure.message}</Content>}
            </ListItem>
          ))}
        </List>
      </section>
    </>
  );
}
