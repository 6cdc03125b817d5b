import {
  Button,
  EmptyState,
  EmptyStateBody,
  FormSelect,
  FormSelectOption,
  SearchInput,
  Skeleton,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from '@patternfly/react-core';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { failureWords } from '../api/api-failure.js';
import { tagsKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { CachedTag, PurgeSelection, TagPage, TagSort, TagState, WarmBegun } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { NotRefreshed } from '../parts/not-refreshed.js';
import { useNotices } from '../parts/notices.js';
import { useHealth } from '../status/use-health.js';
import { checkWords } from '../words/tag-sentences.js';
import { PurgeDialog } from './purge-dialog.js';
import { TagsTable } from './tags-table.js';
import { WarmDialog } from './warm-dialog.js';
import { WarmNote } from './warm-note.js';

interface TagsCardProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  readonly mayWrite: boolean;
}

const PER_PAGE = 25;
const REFRESH_MS = 10_000;

/** What is cached, with what is left of each clock; to be searched, checked, pinned and purged. */
export function TagsCard({ api, organization, mayWrite }: TagsCardProps) {
  const { now } = useHealth(api, organization);
  const queries = useQueryClient();
  const notices = useNotices();
  const [search, setSearch] = useState('');
  const [state, setState] = useState<TagState | 'pinned' | ''>('');
  const [sort, setSort] = useState<{ readonly by: TagSort; readonly order: 'asc' | 'desc' }>({
    by: 'last_pull',
    order: 'desc',
  });
  /** The pages before this one, by the tokens that lead to them. */
  const [tokens, setTokens] = useState<readonly string[]>([]);
  const [warming, setWarming] = useState<'ask' | 'show'>();
  const [warmed, setWarmed] = useState<WarmBegun>();
  const [purging, setPurging] = useState<PurgeSelection | 'choose'>();
  const query = {
    ...(search.trim() === '' ? {} : { search: search.trim() }),
    ...(state === '' ? {} : state === 'pinned' ? { pinned: true as const } : { state }),
    sort: sort.by,
    order: sort.order,
    limit: PER_PAGE,
    ...(tokens.length === 0 ? {} : { next_page: tokens.at(-1) as string }),
  };
  const tags = useQuery({
    queryKey: tagsKey(organization, query),
    queryFn: () => api.tags(organization, query),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const refresh = () => queries.invalidateQueries({ queryKey: [organization] });
  const from = <Value,>(set: (value: Value) => void) => {
    return (value: Value) => {
      set(value);
      setTokens([]);
    };
  };
  const checking = useMutation({
    mutationFn: (tag: CachedTag) => api.check(organization, [tag.reference]),
    onSuccess(results) {
      for (const result of results) {
        notices[result.outcome === 'failed' ? 'failed' : 'succeeded'](checkWords(result));
      }
      return refresh();
    },
    onError: (error) => notices.failed(failureWords(error)),
  });
  const pinning = useMutation({
    mutationFn: ({ reference, pinned }: CachedTag) => api.pin(organization, reference, !pinned),
    onSuccess(_nothing, { reference, pinned }) {
      notices.succeeded(pinned ? `${reference} is no longer pinned` : `${reference} is pinned: it is kept for ever`);
      return refresh();
    },
    onError: (error) => notices.failed(failureWords(error)),
  });

  return (
    <div data-testid="cached-tags">
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem>
            <SearchInput
              aria-label="Search cached images"
              placeholder="Search"
              value={search}
              onChange={(_event, value) => from(setSearch)(value)}
              onClear={() => from(setSearch)('')}
            />
          </ToolbarItem>
          <ToolbarItem>
            <FormSelect
              aria-label="State"
              data-testid="tag-state"
              value={state}
              onChange={(_event, value) => from(setState)(value as TagState | 'pinned' | '')}
            >
              <FormSelectOption value="" label="All states" />
              <FormSelectOption value="fresh" label="Fresh" />
              <FormSelectOption value="stale" label="Stale" />
              <FormSelectOption value="lapsed" label="Lapsed" />
              <FormSelectOption value="pinned" label="Pinned" />
            </FormSelect>
          </ToolbarItem>
          {mayWrite ? (
            <ToolbarItem>
              <Button variant="secondary" data-testid="warm" onClick={() => setWarming('ask')}>
                Fetch images…
              </Button>
            </ToolbarItem>
          ) : null}
          {mayWrite ? (
            <ToolbarItem>
              <Button variant="secondary" data-testid="purge" onClick={() => setPurging('choose')}>
                Purge…
              </Button>
            </ToolbarItem>
          ) : null}
        </ToolbarContent>
      </Toolbar>
      {warmed === undefined || warming === 'show' ? null : (
        <WarmNote
          api={api}
          organization={organization}
          begun={warmed}
          onShow={() => setWarming('show')}
          onForget={() => setWarmed(undefined)}
        />
      )}
      {tags.data === undefined ? null : <NotRefreshed error={tags.error} shownSince={tags.dataUpdatedAt} />}
      {tags.data === undefined ? (
        tags.error === null ? (
          <Skeleton height="16rem" screenreaderText="Loading the cached images" />
        ) : (
          <Failure
            title="The cached images could not be loaded"
            error={tags.error}
            onRetry={() => void tags.refetch()}
          />
        )
      ) : tags.data.tags.length === 0 ? (
        <NothingFound filtered={search.trim() !== '' || state !== ''} />
      ) : (
        <>
          <TagsTable
            tags={tags.data.tags}
            now={now}
            mayWrite={mayWrite}
            sort={sort}
            onSort={from(setSort)}
            checking={checking.isPending ? checking.variables.reference : undefined}
            onCheck={(tag) => checking.mutate(tag)}
            onPin={(tag) => pinning.mutate(tag)}
            onPurge={(tag) => setPurging({ tag: tag.reference })}
          />
          <Pages page={tags.data} tokens={tokens} setTokens={setTokens} />
        </>
      )}
      {warming === undefined ? null : (
        <WarmDialog
          api={api}
          organization={organization}
          begun={warming === 'show' ? warmed : undefined}
          onBegun={(begun) => {
            setWarmed(begun);
            setWarming('show');
          }}
          onClose={() => setWarming(undefined)}
          onFetched={refresh}
        />
      )}
      {purging === undefined ? null : (
        <PurgeDialog
          api={api}
          organization={organization}
          selection={purging === 'choose' ? undefined : purging}
          onClose={() => setPurging(undefined)}
          onPurged={refresh}
        />
      )}
    </div>
  );
}

function NothingFound({ filtered }: { readonly filtered: boolean }) {
  return filtered ? (
    <EmptyState titleText="Nothing found" headingLevel="h2" data-testid="no-tags-found">
      <EmptyStateBody>No cached image has a name and a state like that.</EmptyStateBody>
    </EmptyState>
  ) : (
    <EmptyState titleText="Nothing is cached yet" headingLevel="h2" data-testid="no-tags">
      <EmptyStateBody>What is pulled through this organization appears here.</EmptyStateBody>
    </EmptyState>
  );
}

interface PagesProps {
  readonly page: TagPage;
  readonly tokens: readonly string[];
  setTokens(tokens: readonly string[]): void;
}

function Pages({ page, tokens, setTokens }: PagesProps) {
  const { total, counted_up_to, next_page } = page;
  const first = tokens.length * PER_PAGE + 1;
  const all = `${total.toLocaleString('en')}${total >= counted_up_to ? ' or more' : ''}`;
  return (
    <Toolbar>
      <ToolbarContent>
        <ToolbarItem alignSelf="center" data-testid="tags-shown">
          {first.toLocaleString('en')} to {(first + page.tags.length - 1).toLocaleString('en')} of {all}
        </ToolbarItem>
        <ToolbarItem>
          <Button variant="link" isDisabled={tokens.length === 0} onClick={() => setTokens(tokens.slice(0, -1))}>
            Previous
          </Button>
        </ToolbarItem>
        <ToolbarItem>
          <Button
            variant="link"
            isDisabled={next_page === undefined}
            onClick={() => setTokens([...tokens, next_page ?? ''])}
          >
            Next
          </Button>
        </ToolbarItem>
      </ToolbarContent>
    </Toolbar>
  );
}
