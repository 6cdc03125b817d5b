import {
  Button,
  Content,
  EmptyState,
  EmptyStateBody,
  Flex,
  Skeleton,
  Stack,
  StackItem,
  ToggleGroup,
  ToggleGroupItem,
} from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { eventsKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Events, TimelinePeriod } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { NotRefreshed } from '../parts/not-refreshed.js';
import { counted } from '../words/duration.js';
import { columnUnit, timelineColumns, totalOf } from '../words/timeline-columns.js';

const TimelineChart = lazy(() => import('./timeline-chart.js').then((module) => ({ default: module.TimelineChart })));
const TimelineTable = lazy(() => import('./timeline-table.js').then((module) => ({ default: module.TimelineTable })));

const PERIODS: Readonly<Record<TimelinePeriod, string>> = { '24h': '24 hours', '7d': '7 days', '30d': '30 days' };
const REFRESH_MS = 10_000;

interface TimelineCardProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
}

/** Pulls that the cache saved and errors that it masked, as a chart and as a table. */
export function TimelineCard({ api, organization }: TimelineCardProps) {
  const [period, setPeriod] = useState<TimelinePeriod>('24h');
  const [asTable, setAsTable] = useState(false);
  const events = useQuery({
    queryKey: eventsKey(organization, period),
    queryFn: () => api.events(organization, period),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Stack hasGutter data-testid="timeline">
      <StackItem>
        <Flex alignItems={{ default: 'alignItemsCenter' }}>
          <ToggleGroup aria-label="Period of the timeline">
            {(Object.keys(PERIODS) as TimelinePeriod[]).map((each) => (
              <ToggleGroupItem
                key={each}
                buttonId={`timeline-${each}`}
                text={PERIODS[each]}
                isSelected={period === each}
                onChange={() => setPeriod(each)}
              />
            ))}
          </ToggleGroup>
          <Button variant="link" data-testid="timeline-as-table" onClick={() => setAsTable(!asTable)}>
            {asTable ? 'Show as a chart' : 'Show as a table'}
          </Button>
        </Flex>
      </StackItem>
      <StackItem>
        {events.data !== undefined ? (
          <>
            <NotRefreshed error={events.error} shownSince={events.dataUpdatedAt} />
            <Shown events={events.data} asTable={asTable} />
          </>
        ) : events.error !== null ? (
          <Failure
            title="The timeline could not be loaded"
            error={events.error}
            onRetry={() => void events.refetch()}
          />
        ) : (
          <Skeleton height="16rem" screenreaderText="Loading the timeline" />
        )}
      </StackItem>
    </Stack>
  );
}

function Shown({ events, asTable }: { readonly events: Events; readonly asTable: boolean }) {
  const columns = timelineColumns(events);
  const sum = (kind: 'shielded_pull' | 'masked_error' | 'passed_error') =>
    columns.reduce((total, { counts }) => total + totalOf(counts, kind), 0);
  const [saved, masked, passed] = [sum('shielded_pull'), sum('masked_error'), sum('passed_error')];
  if (saved + masked + passed === 0) {
    return (
      <EmptyState titleText="Nothing had to be masked" headingLevel="h2" data-testid="timeline-empty">
        <EmptyStateBody>
          In these {PERIODS[events.period]} the upstream has answered whenever it was asked.
        </EmptyStateBody>
      </EmptyState>
    );
  }
  return (
    <>
      <Content component="p" data-testid="timeline-sum">
        {counted(saved, 'pulls')} saved, {counted(masked, 'errors')} masked, {counted(passed, 'errors')} passed on to
        clients.
      </Content>
      <Suspense fallback={<Skeleton height="16rem" screenreaderText="Loading the chart" />}>
        {asTable ? (
          <TimelineTable columns={columns} by={columnUnit(events)} />
        ) : (
          <TimelineChart columns={columns} by={columnUnit(events)} />
        )}
      </Suspense>
    </>
  );
}
