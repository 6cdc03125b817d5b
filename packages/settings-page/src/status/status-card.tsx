import {
  Alert,
  Card,
  CardBody,
  Content,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Label,
  type LabelProps,
  Skeleton,
  Stack,
  StackItem,
} from '@patternfly/react-core';
import type { ReactNode } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Health, SettingsView } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { Moment } from '../parts/moment.js';
import { NotRefreshed } from '../parts/not-refreshed.js';
import { counted, durationWords } from '../words/duration.js';
import { failureClassWords } from '../words/failure-classes.js';
import { healthWarnings } from '../words/health-warnings.js';
import {
  beforeOutageSentence,
  completenessSentence,
  firstLapseSentence,
  latestFailureSentence,
  nextCheckSentence,
  protectionSentence,
  upstreamSentence,
} from '../words/status-sentences.js';
import { CheckNow } from './check-now.js';
import { InUse } from './in-use.js';
import { useHealth } from './use-health.js';

interface StatusCardProps {
  readonly api: SettingsPageApi;
  readonly organization: string;
  readonly settings: SettingsView;
  /** Whether the reader may have the upstream asked. */
  readonly mayWrite: boolean;
}

/** How the upstream is now, what the cache has done about it, and how long that will go on. */
export function StatusCard({ api, organization, settings, mayWrite }: StatusCardProps) {
  const { health, now } = useHealth(api, organization);
  const stalenessS = settings.staleness_period_s;
  return (
    <Card isCompact aria-label="Status of the upstream" component="section" data-testid="upstream-status">
      <CardBody>
        {health.data !== undefined ? (
          <>
            <NotRefreshed error={health.error} shownSince={health.dataUpdatedAt} />
            <Warnings health={health.data} settings={settings} now={now} />
            <Facts health={health.data} stalenessS={stalenessS} now={now}>
              {mayWrite ? <CheckNow api={api} organization={organization} /> : null}
            </Facts>
            {health.data.status === 'down' && health.data.cached.tags > 0 ? (
              <InUse api={api} organization={organization} stalenessS={stalenessS} now={now} />
            ) : null}
          </>
        ) : health.error !== null ? (
          <Failure
            title="The status of the upstream could not be loaded"
            error={health.error}
            onRetry={() => void health.refetch()}
          />
        ) : (
          <Skeleton height="8rem" screenreaderText="Loading the status of the upstream" />
        )}
      </CardBody>
    </Card>
  );
}

interface WarningsProps {
  readonly health: Health;
  readonly settings: SettingsView;
  readonly now: number;
}

/** The outage first, then whatever else somebody has to do something about. */
function Warnings({ health, settings, now }: WarningsProps) {
  const warnings = healthWarnings(health, settings, now);
  if (health.status !== 'down' && warnings.length === 0) return null;
  return (
    <Stack hasGutter style={{ marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}>
      {health.status === 'down' ? (
        <StackItem>
          <DegradedAlert health={health} stalenessS={settings.staleness_period_s} now={now} />
        </StackItem>
      ) : null}
      {warnings.map(({ id, variant, title, advice }) => (
        <StackItem key={id}>
          <Alert component="p" isInline variant={variant} title={title} data-testid={`warning-${id}`}>
            {advice}
          </Alert>
        </StackItem>
      ))}
    </Stack>
  );
}

interface StatusProps {
  readonly health: Health;
  readonly stalenessS: number;
  readonly now: number;
}

function Facts({ health, stalenessS, now, children }: StatusProps & { readonly children: ReactNode }) {
  const { limit, remaining } = health.rate_limit;
  const next = nextCheckSentence(health, now);
  const before = beforeOutageSentence(health);
  const complete = completenessSentence(health);
  return (
    <DescriptionList isCompact style={{ gridTemplateColumns: 'repeat(auto-fit, minmax(11rem, 1fr))' }}>
      <Item term="Upstream">
        <StatusLabel health={health} /> {health.status === 'down' ? health.upstream : upstreamSentence(health, now)}{' '}
        {children}
      </Item>
      {health.known_down_since === null ? null : (
        <Item term="Known down since">
          <Moment at={health.known_down_since} /> ({durationWords((now - Date.parse(health.known_down_since)) / 1000)})
        </Item>
      )}
      {next === undefined ? null : <Item term="Next check">{next}</Item>}
      <Item term="Protection">
        <span data-testid="protection">{protectionSentence(health)}</span>
        {before === undefined ? null : <Content component="small">{before}</Content>}
      </Item>
      <Item term="Cached images">
        <span data-testid="first-lapse">{firstLapseSentence(health, stalenessS, now)}</span>
      </Item>
      {complete === undefined ? null : <Item term="Completeness">{complete}</Item>}
      {remaining === null ? null : (
        <Item term="Rate limit">
          {counted(remaining, 'pulls')} left{limit === null ? '' : ` of ${limit.toLocaleString('en')}`}
        </Item>
      )}
    </DescriptionList>
  );
}

/** A credential that is refused is no upstream that is down, and no reason for a green light either. */
function StatusLabel({ health }: { readonly health: Health }) {
  const { color, text } = statusLabel(health);
  return (
    <Label color={color} data-testid="upstream-status-label">
      {text}
    </Label>
  );
}

function statusLabel({ status, failure_class }: Health): {
  readonly color: LabelProps['color'];
  readonly text: string;
} {
  if (status === 'up') return { color: 'green', text: 'Up' };
  if (status === 'down') {
    return failure_class === 'rate_limited'
      ? { color: 'orange', text: 'Rate limited' }
      : { color: 'red', text: 'Down' };
  }
  return failure_class === 'blocked' ? { color: 'red', text: 'Not allowed' } : { color: 'grey', text: 'Not asked yet' };
}

function DegradedAlert({ health, stalenessS, now }: StatusProps) {
  const { advice } = failureClassWords(health.failure_class ?? '');
  const protection =
    stalenessS === 0
      ? 'Nothing is served without its confirmation, because the staleness period is 0.'
      : `Images confirmed within the last ${durationWords(stalenessS)} are still served. A longer staleness period takes effect with the next pull.`;
  return (
    <Alert component="p" isInline variant="warning" title={upstreamSentence(health, now)} data-testid="degraded">
      <p>
        {protection}
        {health.hold.held ? ' Nothing of it expires meanwhile.' : ''}
      </p>
      <p>
        {latestFailureSentence(health)} {advice}
      </p>
    </Alert>
  );
}

function Item({ term, children }: { readonly term: string; readonly children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  );
}
