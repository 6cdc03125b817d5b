import { Content, Label, type LabelProps } from '@patternfly/react-core';
import { ActionsColumn, Table, Tbody, Td, Th, Thead, type ThProps, Tr } from '@patternfly/react-table';
import type { CachedTag, TagSort, TagState } from '../api/shapes.js';
import { sizeWords } from '../words/byte-size.js';
import { agoWords, freshWords, keptWords, shieldedWords } from '../words/tag-sentences.js';

interface TagsTableProps {
  readonly tags: readonly CachedTag[];
  readonly now: number;
  readonly mayWrite: boolean;
  readonly sort: { readonly by: TagSort; readonly order: 'asc' | 'desc' };
  /** The tag that the upstream is being asked about. */
  readonly checking: string | undefined;
  onSort(sort: { readonly by: TagSort; readonly order: 'asc' | 'desc' }): void;
  onCheck(tag: CachedTag): void;
  onPin(tag: CachedTag): void;
  onPurge(tag: CachedTag): void;
}

const STATES: Readonly<Record<TagState, { readonly text: string; readonly color: LabelProps['color'] }>> = {
  fresh: { text: 'Fresh', color: 'green' },
  stale: { text: 'Stale', color: 'blue' },
  lapsed: { text: 'Lapsed', color: 'red' },
};
const SORTS: readonly TagSort[] = ['reference', 'confirmed', 'last_pull'];
const SHORT_DIGEST = 'sha256:'.length + 12;

/** Cached tags in rows. */
export function TagsTable({ tags, now, mayWrite, sort, checking, onSort, onCheck, onPin, onPurge }: TagsTableProps) {
  const sortable = (by: TagSort): ThProps['sort'] => ({
    sortBy: { index: SORTS.indexOf(sort.by), direction: sort.order },
    columnIndex: SORTS.indexOf(by),
    onSort: (_event, _index, order) => onSort({ by, order }),
  });
  return (
    <Table aria-label="Cached images" variant="compact">
      <Thead>
        <Tr>
          <Th sort={sortable('reference')}>Image</Th>
          <Th>State</Th>
          <Th sort={sortable('confirmed')}>Confirmed</Th>
          <Th modifier="nowrap">Still fresh</Th>
          <Th modifier="nowrap">Still shielded</Th>
          <Th sort={sortable('last_pull')}>Last pull</Th>
          <Th>Still kept</Th>
          <Th>Size</Th>
          {mayWrite ? <Th screenReaderText="Actions" /> : null}
        </Tr>
      </Thead>
      <Tbody>
        {tags.map((tag) => (
          <Tr key={tag.reference} data-testid={`tag-${tag.reference}`}>
            <Td dataLabel="Image" modifier="breakWord">
              {tag.reference}
              <Content component="small" title={tag.digest}>
                {tag.digest.slice(0, SHORT_DIGEST)}
              </Content>
            </Td>
            <Td dataLabel="State">
              <Label color={STATES[tag.state].color}>{STATES[tag.state].text}</Label>{' '}
              {tag.pinned ? <Label color="purple">Pinned</Label> : null}{' '}
              {tag.complete === false ? <Label color="orange">Incomplete</Label> : null}
            </Td>
            <Td dataLabel="Confirmed">{agoWords(new Date(now - tag.age_s * 1000).toISOString(), now)}</Td>
            <Td dataLabel="Still fresh">{freshWords(tag, now)}</Td>
            <Td dataLabel="Still shielded">{shieldedWords(tag, now)}</Td>
            <Td dataLabel="Last pull">{agoWords(tag.last_pull, now)}</Td>
            <Td dataLabel="Still kept">{keptWords(tag, now)}</Td>
            <Td dataLabel="Size">{tag.size === null ? 'not known' : sizeWords(tag.size)}</Td>
            {mayWrite ? (
              <Td isActionCell>
                <ActionsColumn
                  items={[
                    {
                      title: 'Check now',
                      isDisabled: checking === tag.reference,
                      onClick: () => onCheck(tag),
                    },
                    { title: tag.pinned ? 'Unpin' : 'Pin', onClick: () => onPin(tag) },
                    { title: 'Purge…', onClick: () => onPurge(tag) },
                  ]}
                  popperProps={{ position: 'right', appendTo: 'inline' }}
                />
              </Td>
            ) : null}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
