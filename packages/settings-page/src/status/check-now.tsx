import { Button } from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { failureWords } from '../api/api-failure.js';
import { healthKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import { useNotices } from '../parts/notices.js';
import { latestFailureSentence, upstreamSentence } from '../words/status-sentences.js';

interface CheckNowProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
}

/** Asks the upstream now, and says how it is. */
export function CheckNow({ api, organization }: CheckNowProps) {
  const notices = useNotices();
  const queries = useQueryClient();
  const checking = useMutation({
    mutationFn: () => api.checkUpstream(organization),
    onSuccess(health) {
      queries.setQueryData(healthKey(organization), health);
      const said = [upstreamSentence(health, Date.parse(health.at)), latestFailureSentence(health)];
      notices[health.status === 'up' ? 'succeeded' : 'failed'](said.filter((each) => each !== undefined).join(' '));
      return queries.invalidateQueries({ queryKey: [organization] });
    },
    onError: (error) => notices.failed(failureWords(error)),
  });
  return (
    <Button
      variant="link"
      isInline
      data-testid="check-now"
      isLoading={checking.isPending}
      isDisabled={checking.isPending}
      onClick={() => checking.mutate()}
    >
      Check now
    </Button>
  );
}
