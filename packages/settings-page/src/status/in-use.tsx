import { List, ListItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { tagsKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { TagQuery } from '../api/shapes.js';
import { shieldedWords } from '../words/tag-sentences.js';

interface InUseProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  /** The registry's time, milliseconds since the epoch. */
  readonly now: number;
}

const MOST_RECENT: TagQuery = { sort: 'last_pull', order: 'desc', limit: 5 };
const REFRESH_MS = 10_000;

/** For how long what is in use goes on being served while the upstream is down; nothing while that is not known. */
export function InUse({ api, organization, now }: InUseProps) {
  const tags = useQuery({
    queryKey: tagsKey(organization, MOST_RECENT),
    queryFn: () => api.tags(organization, MOST_RECENT),
    refetchInterval: REFRESH_MS,
  });
  return (
    <List isPlain data-testid="in-use">
      {(tags.data?.tags ?? []).map((tag) => (
        <ListItem key={tag.reference}>
          {tag.reference}: {shieldedWords(tag, now)}
        </ListItem>
      ))}
    </List>
  );
}
