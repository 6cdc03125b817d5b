import { Alert, AlertActionCloseButton, AlertActionLink } from '@patternfly/react-core';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { WarmBegun } from '../api/shapes.js';
import { warmWords } from '../words/warm-words.js';
import { useWarmProgress } from './use-warm-progress.js';

interface WarmNoteProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  readonly begun: WarmBegun;
  onShow(): void;
  onForget(): void;
}

/** How far images that are fetched are, and the way back to them, once their dialog is closed. */
export function WarmNote({ api, organization, begun, onShow, onForget }: WarmNoteProps) {
  const progress = useWarmProgress(api, organization, begun.id);
  if (progress.data === undefined) return null;
  const { finished, counts } = progress.data;
  return (
    <Alert
      component="p"
      isInline
      variant={counts.failed > 0 ? 'warning' : finished ? 'success' : 'info'}
      title={warmWords(progress.data)}
      data-testid="warm-note"
      actionLinks={<AlertActionLink onClick={onShow}>Show them</AlertActionLink>}
      actionClose={finished ? <AlertActionCloseButton title="about fetched images" onClose={onForget} /> : undefined}
    />
  );
}
