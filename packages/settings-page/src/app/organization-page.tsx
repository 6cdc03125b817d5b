import {
  EmptyState,
  EmptyStateBody,
  PageSection,
  Skeleton,
  Tab,
  Tabs,
  TabTitleText,
  Title,
} from '@patternfly/react-core';
import { type QueryClient, useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { isApiFailure } from '../api/api-failure.js';
import { organizationKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import { Failure } from '../parts/failure.js';
import { ProxyCacheSettings } from '../proxy-cache-settings.js';

interface OrganizationPageProps {
  readonly api: SettingsPageApi;
  readonly queryClient: QueryClient;
  readonly organization: string;
}

/** An organization, with its tabs where Quay has them; what this registry has none of is left out. */
export function OrganizationPage({ api, queryClient, organization }: OrganizationPageProps) {
  const found = useQuery({ queryKey: organizationKey(organization), queryFn: () => api.organization(organization) });
  useEffect(() => {
    document.title = `${organization} · Settings · Breakwater`;
  }, [organization]);
  if (found.data === undefined) {
    return (
      <PageSection>
        {found.error === null ? (
          <Skeleton height="24rem" screenreaderText="Loading the organization" />
        ) : isApiFailure(found.error) && found.error.status === 403 ? (
          <NoSuchOrganization organization={organization} />
        ) : (
          <Failure
            title="The organization could not be loaded"
            error={found.error}
            onRetry={() => void found.refetch()}
          />
        )}
      </PageSection>
    );
  }
  return (
    <PageSection>
      <Title headingLevel="h1">{organization}</Title>
      <Tabs activeKey="Settings" aria-label="Organization">
        <Tab eventKey="Settings" title={<TabTitleText>Settings</TabTitleText>}>
          <Tabs activeKey="proxy-cache" aria-label="Settings" isSubtab>
            <Tab eventKey="proxy-cache" title={<TabTitleText>Proxy Cache</TabTitleText>}>
              <div style={{ paddingBlockStart: 'var(--pf-t--global--spacer--lg)' }}>
                <ProxyCacheSettings
                  api={api}
                  queryClient={queryClient}
                  organization={organization}
                  mayWrite={found.data.is_org_admin}
                />
              </div>
            </Tab>
          </Tabs>
        </Tab>
      </Tabs>
    </PageSection>
  );
}

/** One answer for none and for one that is not the reader's: nobody finds out which names are taken. */
function NoSuchOrganization({ organization }: { readonly organization: string }) {
  return (
    <EmptyState titleText={`No organization ${organization}`} headingLevel="h1" data-testid="no-rights">
      <EmptyStateBody>There is none of that name, or you are not a member of it.</EmptyStateBody>
    </EmptyState>
  );
}
