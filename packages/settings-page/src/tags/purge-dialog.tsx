import {
  Alert,
  Button,
  Content,
  Form,
  FormGroup,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Radio,
  Skeleton,
  TextInput,
} from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Purge, PurgeSelection } from '../api/shapes.js';
import { AmountInput } from '../parts/amount-input.js';
import { Failure } from '../parts/failure.js';
import { useNotices } from '../parts/notices.js';
import { counted, parsePeriod, type TypedPeriod, UNITS } from '../words/duration.js';
import { purgeWords } from '../words/tag-sentences.js';

interface PurgeDialogProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  /** What is to go; `undefined` lets the reader choose. */
  readonly selection: PurgeSelection | undefined;
  onClose(): void;
  onPurged(): Promise<void>;
}

/** Removes cached tags: what is to go, then exactly what that would take, then it is done. */
export function PurgeDialog({ api, organization, selection, onClose, onPurged }: PurgeDialogProps) {
  const notices = useNotices();
  const previewing = useMutation({
    mutationFn: (wanted: PurgeSelection) => api.previewPurge(organization, wanted),
  });
  const purging = useMutation({
    mutationFn: (preview: Purge) => api.purge(organization, preview.purge_id),
    onSuccess({ tags, changed_kept }) {
      const kept =
        changed_kept === 0 ? '' : `; ${counted(changed_kept, 'tags')} stayed, because they have changed since`;
      notices.succeeded(`${counted(tags, 'tags')} purged${kept}`);
      onClose();
      return onPurged();
    },
  });
  const preview = previewing.data;
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was chosen outside is previewed once
  useEffect(() => {
    if (selection !== undefined) previewing.mutate(selection);
  }, []);
  const error = purging.error ?? previewing.error;
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="purge-title" aria-describedby="purge-text">
      <ModalHeader title="Purge cached images" labelId="purge-title" titleIconVariant="warning" />
      <ModalBody id="purge-text" data-testid="purge-dialog">
        {error === null ? null : (
          <Failure
            title="Nothing has been purged"
            error={error}
            onRetry={() => {
              purging.reset();
              if (previewing.variables === undefined) previewing.reset();
              else previewing.mutate(previewing.variables);
            }}
          />
        )}
        {preview !== undefined ? (
          <Preview preview={preview} />
        ) : previewing.isPending || selection !== undefined ? (
          error === null ? (
            <Skeleton height="8rem" screenreaderText="Finding out what would go" />
          ) : null
        ) : (
          <Choice onChosen={(wanted) => previewing.mutate(wanted)} />
        )}
      </ModalBody>
      <ModalFooter>
        {preview === undefined ? null : (
          <Button
            variant="danger"
            data-testid="confirm-purge"
            isDisabled={preview.tags === 0 || purging.isPending || error !== null}
            isLoading={purging.isPending}
            onClick={() => purging.mutate(preview)}
          >
            Purge {counted(preview.tags, 'tags')}
          </Button>
        )}
        {preview === undefined && selection === undefined ? (
          <Button type="submit" form="purge-choice" data-testid="preview-purge" isLoading={previewing.isPending}>
            Show what would go
          </Button>
        ) : null}
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function Preview({ preview }: { readonly preview: Purge }) {
  return (
    <>
      {preview.upstream_down ? (
        <Alert
          component="p"
          isInline
          variant="danger"
          title="The upstream is down: what goes now cannot be had again until it is back"
        />
      ) : null}
      {purgeWords(preview).map((sentence) => (
        <Content component="p" key={sentence}>
          {sentence}
        </Content>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <section aria-label="Tags that go" tabIndex={0} style={{ maxHeight: '14rem', overflow: 'auto' }}>
        <List isPlain data-testid="purge-references">
          {preview.references.map((reference) => (
            <ListItem key={reference}>{reference}</ListItem>
          ))}
        </List>
      </section>
      {preview.tags > preview.references.length ? (
        <Content component="p">and {(preview.tags - preview.references.length).toLocaleString('en')} more</Content>
      ) : null}
    </>
  );
}

type Scope = 'older' | 'repository' | 'all';

function Choice({ onChosen }: { onChosen(selection: PurgeSelection): void }) {
  const [scope, setScope] = useState<Scope>('older');
  const [period, setPeriod] = useState<TypedPeriod>({ amount: '30', unit: 'days' });
  const [repository, setRepository] = useState('');
  const [tried, setTried] = useState(false);
  const parsed = parsePeriod(period);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (scope === 'all') onChosen({ all: true });
    else if (scope === 'repository' && repository.trim() !== '') onChosen({ repository: repository.trim() });
    else if (scope === 'older' && 'seconds' in parsed) onChosen({ older_than_s: parsed.seconds });
  };
  return (
    <Form id="purge-choice" onSubmit={submit} aria-label="What to purge">
      <FormGroup role="radiogroup" fieldId="purge-scope" label="What is to go">
        <Radio
          id="purge-older"
          name="purge-scope"
          label="What nobody has pulled for"
          isChecked={scope === 'older'}
          onChange={() => setScope('older')}
          body={
            <AmountInput
              id="purge-older-than"
              label="Not pulled for"
              value={period}
              units={UNITS}
              invalid={tried && 'problem' in parsed}
              disabled={scope !== 'older'}
              testId="purge-older-than"
              unitTestId="purge-older-than-unit"
              onChange={setPeriod}
            />
          }
        />
        <Radio
          id="purge-repository"
          name="purge-scope"
          data-testid="purge-repository"
          label="One repository"
          isChecked={scope === 'repository'}
          onChange={() => setScope('repository')}
          body={
            <TextInput
              id="purge-repository-name"
              data-testid="purge-repository-name"
              aria-label="Repository"
              placeholder="library/nginx"
              value={repository}
              isDisabled={scope !== 'repository'}
              validated={tried && scope === 'repository' && repository.trim() === '' ? 'error' : 'default'}
              onChange={(_event, value) => setRepository(value)}
            />
          }
        />
        <Radio
          id="purge-all"
          name="purge-scope"
          data-testid="purge-all"
          label="Everything that is not pinned"
          isChecked={scope === 'all'}
          onChange={() => setScope('all')}
        />
      </FormGroup>
    </Form>
  );
}
