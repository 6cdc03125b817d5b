import { Content, EmptyState, EmptyStateBody, Flex, PageSection, Skeleton, Title } from '@patternfly/react-core';
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

/** An organization. Quay has many tabs here; of those this registry has one, which needs no bar of its own. */
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
      <Flex
        alignItems={{ default: 'alignItemsBaseline' }}
        style={{ marginBlockEnd: 'var(--pf-t--global--spacer--md)' }}
      >
        <Title headingLevel="h1" style={{ overflowWrap: 'anywhere' }}>
          {organization}
        </Title>
        <Content component="small">Proxy Cache</Content>
      </Flex>
      <ProxyCacheSettings
        api={api}
        queryClient={queryClient}
        organization={organization}
        mayWrite={found.data.is_org_admin}
      />
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
