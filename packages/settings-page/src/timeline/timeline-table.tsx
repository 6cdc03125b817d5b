import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import type { EventKind } from '../api/shapes.js';
import { failureClassWords } from '../words/failure-classes.js';
import { classesOf, type TimelineColumn, totalOf } from '../words/timeline-columns.js';
import { columnTime } from './column-time.js';

interface TimelineTableProps {
  readonly columns: readonly TimelineColumn[];
  readonly by: 'hour' | 'day';
}

/** The numbers of the chart; the latest first, and only times at which something happened. */
export function TimelineTable({ columns, by }: TimelineTableProps) {
  const masked = classesOf(columns, 'masked_error');
  const kinds: readonly EventKind[] = ['shielded_pull', 'masked_error', 'passed_error'];
  const rows = columns.filter(({ counts }) => kinds.some((kind) => totalOf(counts, kind) > 0)).reverse();
  return (
    <Table aria-label="Pulls saved and errors masked over time" variant="compact" data-testid="timeline-table">
      <Thead>
        <Tr>
          <Th>From</Th>
          <Th>Pulls saved</Th>
          {masked.map((failureClass) => (
            <Th key={failureClass}>Masked: {failureClassWords(failureClass).name}</Th>
          ))}
          <Th>Errors passed on</Th>
        </Tr>
      </Thead>
      <Tbody>
        {rows.map(({ start, counts }) => (
          <Tr key={start}>
            <Td dataLabel="From">{columnTime(start, by)}</Td>
            <Td dataLabel="Pulls saved">{totalOf(counts, 'shielded_pull')}</Td>
            {masked.map((failureClass) => (
              <Td key={failureClass} dataLabel={`Masked: ${failureClassWords(failureClass).name}`}>
                {counts.masked_error?.[failureClass] ?? 0}
              </Td>
            ))}
            <Td dataLabel="Errors passed on">{totalOf(counts, 'passed_error')}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
