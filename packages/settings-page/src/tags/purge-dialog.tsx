import {
  Alert,
  Button,
  Content,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Skeleton,
} from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Purge, PurgeSelection } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { useNotices } from '../parts/notices.js';
import { counted } from '../words/duration.js';
import { purgeWords } from '../words/tag-sentences.js';
import { NOTHING_TYPED, PurgeChoice } from './purge-choice.js';

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
  const [typed, setTyped] = useState(NOTHING_TYPED);
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
  const wanted = previewing.variables;
  const previewAgain = (again: PurgeSelection) => {
    purging.reset();
    previewing.mutate(again);
  };
  const goBack = () => {
    purging.reset();
    previewing.reset();
  };
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="purge-title" aria-describedby="purge-text">
      <ModalHeader title="Purge cached images" labelId="purge-title" titleIconVariant="warning" />
      <ModalBody id="purge-text" data-testid="purge-dialog">
        {error === null ? null : (
          <Failure
            title="Nothing has been purged"
            error={error}
            // A plan that is too old, or an answer that got lost: what would go now is shown again.
            {...(wanted === undefined || (selection === undefined && preview === undefined)
              ? {}
              : { onRetry: () => previewAgain(wanted) })}
          />
        )}
        {preview !== undefined ? (
          <Preview preview={preview} />
        ) : selection === undefined ? (
          <PurgeChoice typed={typed} onTyped={setTyped} onChosen={(wanted) => previewing.mutate(wanted)} />
        ) : error === null ? (
          <Skeleton height="8rem" screenreaderText="Finding out what would go" />
        ) : null}
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
        {preview !== undefined && selection === undefined ? (
          <Button variant="secondary" data-testid="purge-back" isDisabled={purging.isPending} onClick={goBack}>
            Back
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
