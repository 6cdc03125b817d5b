import {
  EmptyState,
  EmptyStateBody,
  Skeleton,
  Stack,
  StackItem,
  Tab,
  Tabs,
  TabTitleText,
} from '@patternfly/react-core';
import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { isApiFailure } from './api/api-failure.js';
import { settingsKey } from './api/query-keys.js';
import type { SettingsPageApi } from './api/settings-page-api.js';
import type { StoredSettings } from './api/shapes.js';
import { ClientSetup } from './clients/client-setup.js';
import { SettingsFormCard } from './form/settings-form-card.js';
import { useSettingsEditor } from './form/use-settings-editor.js';
import { Failure } from './parts/failure.js';
import { NoticesProvider } from './parts/notices.js';
import { StatusCard } from './status/status-card.js';
import { TagsCard } from './tags/tags-card.js';
import { TimelineCard } from './timeline/timeline-card.js';

export interface ProxyCacheSettingsProps {
  /** The organization whose settings these are. A component is for one: give it a `key` where it can change. */
  readonly organization: string;
  readonly api: SettingsPageApi;
  /** Whether the reader may change the settings; the API has the last word. Default true. */
  readonly mayWrite?: boolean;
  /** Where clients reach the registry, for their set-up. Default the address of the page. */
  readonly registryUrl?: string;
  /** To share answers with the page around it, and to hear of failures. Default one of its own. */
  readonly queryClient?: QueryClient;
}

/**
 * What stands in the tab "Proxy Cache" of an organization: the settings, how the upstream is, what the cache has saved,
 * and how clients are set up. It needs PatternFly's base styles on the page, and nothing else around it.
 */
export function ProxyCacheSettings({ queryClient, ...props }: ProxyCacheSettingsProps) {
  const [own] = useState(() => queryClient ?? new QueryClient());
  return (
    <QueryClientProvider client={queryClient ?? own}>
      <NoticesProvider>
        <Loaded {...props} />
      </NoticesProvider>
    </QueryClientProvider>
  );
}

type LoadedProps = Omit<ProxyCacheSettingsProps, 'queryClient'>;

function Loaded(props: LoadedProps) {
  const { api, organization } = props;
  const settings = useQuery({
    queryKey: settingsKey(organization),
    // The cache of answers takes no `undefined`.
    queryFn: async () => (await api.settings(organization)) ?? null,
    retry: (failures, error) => failures < 2 && isApiFailure(error) && error.status >= 500,
  });
  if (settings.data !== undefined) return <Configured {...props} stored={settings.data ?? undefined} />;
  if (settings.error === null) return <Skeleton height="24rem" screenreaderText="Loading the settings" />;
  if (isApiFailure(settings.error) && settings.error.status === 403) {
    return (
      <EmptyState titleText="Nothing to see here" headingLevel="h2" data-testid="no-rights">
        <EmptyStateBody>
          There is no organization {organization}, or you are not a member of it. Ask one of its administrators.
        </EmptyStateBody>
      </EmptyState>
    );
  }
  return (
    <Failure title="The settings could not be loaded" error={settings.error} onRetry={() => void settings.refetch()} />
  );
}

function Configured({ stored, ...props }: LoadedProps & { readonly stored: StoredSettings | undefined }) {
  const { api, organization, mayWrite = true, registryUrl = window.location.origin } = props;
  const editor = useSettingsEditor(api, organization, stored);
  const [tab, setTab] = useState<string | number>('settings');
  const form = <SettingsFormCard api={api} editor={editor} organization={organization} mayWrite={mayWrite} />;
  if (stored === undefined) return form;
  return (
    <Stack hasGutter>
      <StackItem>
        <StatusCard api={api} organization={organization} settings={stored.view} mayWrite={mayWrite} />
      </StackItem>
      <StackItem>
        <Tabs activeKey={tab} onSelect={(_event, key) => setTab(key)} mountOnEnter aria-label="Views of the cache">
          <Tab eventKey="settings" title={<TabTitleText>Configuration</TabTitleText>}>
            <Padded>{form}</Padded>
          </Tab>
          <Tab eventKey="timeline" title={<TabTitleText>Timeline</TabTitleText>} data-testid="tab-timeline">
            <Padded>
              <TimelineCard api={api} organization={organization} />
            </Padded>
          </Tab>
          <Tab eventKey="tags" title={<TabTitleText>Cached images</TabTitleText>} data-testid="tab-tags">
            <Padded>
              <TagsCard api={api} organization={organization} mayWrite={mayWrite} />
            </Padded>
          </Tab>
          <Tab eventKey="clients" title={<TabTitleText>Client set-up</TabTitleText>} data-testid="tab-clients">
            <Padded>
              <ClientSetup
                registryUrl={registryUrl}
                organization={organization}
                upstream={stored.view.upstream_registry}
                anonymousPull={stored.view.anonymous_pull}
              />
            </Padded>
          </Tab>
        </Tabs>
      </StackItem>
    </Stack>
  );
}

function Padded({ children }: { readonly children: React.ReactNode }) {
  return <div style={{ paddingBlockStart: 'var(--pf-t--global--spacer--lg)' }}>{children}</div>;
}
