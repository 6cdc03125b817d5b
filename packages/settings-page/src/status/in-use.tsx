import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useQuery } from '@tanstack/react-query';
import { tagsKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { TagQuery } from '../api/shapes.js';
import { LeftBar } from '../parts/left-bar.js';
import { leftPart, shieldedWords } from '../words/tag-sentences.js';

interface InUseProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  readonly stalenessS: number;
  /** The registry's time, milliseconds since the epoch. */
  readonly now: number;
}

const MOST_RECENT: TagQuery = { sort: 'last_pull', order: 'desc', limit: 5 };
const REFRESH_MS = 10_000;

/** For how long what is in use goes on being served while the upstream is down; nothing while that is not known. */
export function InUse({ api, organization, stalenessS, now }: InUseProps) {
  const tags = useQuery({
    queryKey: tagsKey(organization, MOST_RECENT),
    queryFn: () => api.tags(organization, MOST_RECENT),
    refetchInterval: REFRESH_MS,
  });
  if (tags.data === undefined) return null;
  return (
    <Table
      aria-label="Images pulled last, and for how long they are still shielded"
      variant="compact"
      borders={false}
      data-testid="in-use"
      style={{ maxWidth: '52rem', marginBlockStart: 'var(--pf-t--global--spacer--md)' }}
    >
      <Thead>
        <Tr>
          <Th>Pulled last</Th>
          <Th>Still shielded for</Th>
        </Tr>
      </Thead>
      <Tbody>
        {tags.data.tags.map((tag) => (
          <Tr key={tag.reference} data-testid={`in-use-${tag.reference}`}>
            <Td dataLabel="Pulled last" modifier="breakWord">
              {tag.reference}
            </Td>
            <Td dataLabel="Still shielded for">
              <LeftBar part={leftPart(tag.shielded_until, stalenessS, now)} /> {shieldedWords(tag, now)}
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
