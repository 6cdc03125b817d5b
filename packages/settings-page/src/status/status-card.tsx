import {
  Alert,
  Card,
  CardBody,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Label,
  Skeleton,
} from '@patternfly/react-core';
import type { ReactNode } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Health } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { Moment } from '../parts/moment.js';
import { durationWords } from '../words/duration.js';
import { failureClassWords } from '../words/failure-classes.js';
import {
  completenessSentence,
  firstLapseSentence,
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
  readonly stalenessS: number;
  /** Whether the reader may have the upstream asked. */
  readonly mayWrite: boolean;
}

const STATUS = {
  up: { color: 'green', text: 'Up' },
  down: { color: 'red', text: 'Down' },
  unknown: { color: 'grey', text: 'Not asked yet' },
} as const;

/** How the upstream is now, what the cache has done about it, and how long that will go on. */
export function StatusCard({ api, organization, stalenessS, mayWrite }: StatusCardProps) {
  const { health, now } = useHealth(api, organization);
  return (
    <Card isCompact aria-label="Status of the upstream" component="section" data-testid="upstream-status">
      <CardBody>
        {health.data !== undefined ? (
          <>
            <Status health={health.data} stalenessS={stalenessS} now={now}>
              {mayWrite && health.data.cached.tags > 0 ? <CheckNow api={api} organization={organization} /> : null}
            </Status>
            {health.data.status === 'down' && health.data.cached.tags > 0 ? (
              <DescriptionList isCompact style={{ marginBlockStart: 'var(--pf-t--global--spacer--md)' }}>
                <Item term="Pulled last, still shielded for">
                  <InUse api={api} organization={organization} now={now} />
                </Item>
              </DescriptionList>
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

interface StatusProps {
  readonly health: Health;
  readonly stalenessS: number;
  readonly now: number;
}

function Status({ health, stalenessS, now, children }: StatusProps & { readonly children: ReactNode }) {
  const { color, text } = STATUS[health.status];
  const { limit, remaining } = health.rate_limit;
  const next = nextCheckSentence(health, now);
  const complete = completenessSentence(health);
  return (
    <>
      {health.status === 'down' ? <DegradedAlert health={health} stalenessS={stalenessS} now={now} /> : null}
      <DescriptionList isCompact style={{ gridTemplateColumns: 'repeat(auto-fit, minmax(11rem, 1fr))' }}>
        <Item term="Upstream">
          <Label color={color} data-testid="upstream-status-label">
            {text}
          </Label>{' '}
          {health.status === 'down' ? health.upstream : upstreamSentence(health, now)} {children}
        </Item>
        {health.known_down_since === null ? null : (
          <Item term="Known down since">
            <Moment at={health.known_down_since} /> ({durationWords((now - Date.parse(health.known_down_since)) / 1000)}
            )
          </Item>
        )}
        {next === undefined ? null : <Item term="Next check">{next}</Item>}
        <Item term="Protection">
          <span data-testid="protection">{protectionSentence(health)}</span>
        </Item>
        <Item term="Cached images">
          <span data-testid="first-lapse">{firstLapseSentence(health, stalenessS, now)}</span>
        </Item>
        {complete === undefined ? null : <Item term="Completeness">{complete}</Item>}
        {remaining === null ? null : (
          <Item term="Rate limit">
            {remaining.toLocaleString('en')} pulls left{limit === null ? '' : ` of ${limit.toLocaleString('en')}`}
          </Item>
        )}
      </DescriptionList>
    </>
  );
}

function DegradedAlert({ health, stalenessS, now }: StatusProps) {
  const { advice } = failureClassWords(health.failure_class ?? '');
  const protection =
    stalenessS === 0
      ? 'Nothing is served without its confirmation, because the staleness period is 0.'
      : `Images confirmed within the last ${durationWords(stalenessS)} are still served. A longer staleness period takes effect with the next pull.`;
  return (
    <Alert
      component="p"
      isInline
      variant="warning"
      title={upstreamSentence(health, now)}
      data-testid="degraded"
      style={{ marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}
    >
      {protection} {advice}
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
