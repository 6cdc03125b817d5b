import {
  Button,
  EmptyState,
  EmptyStateBody,
  Label,
  PageSection,
  SearchInput,
  Skeleton,
  Title,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useInfiniteQuery } from '@tanstack/react-query';
import { type MouseEvent, useEffect, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Organization } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { organizationPath } from './route.js';
import { goTo } from './use-location.js';

/** The organizations that the reader may see; a long list comes in parts. */
export function OrganizationsPage({ api }: { readonly api: SettingsPageApi }) {
  const [search, setSearch] = useState('');
  const list = useInfiniteQuery({
    queryKey: ['', 'organizations'],
    queryFn: ({ pageParam }: { readonly pageParam: string | undefined }) => api.organizations(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_page }) => next_page,
  });
  useEffect(() => {
    document.title = 'Organizations · Breakwater';
  }, []);
  const organizations = list.data?.pages.flatMap((page) => page.organizations);
  return (
    <PageSection>
      <Title headingLevel="h1">Organizations</Title>
      {organizations === undefined ? (
        list.error === null ? (
          <Skeleton height="16rem" screenreaderText="Loading the organizations" />
        ) : (
          <Failure
            title="The organizations could not be loaded"
            error={list.error}
            onRetry={() => void list.refetch()}
          />
        )
      ) : organizations.length === 0 ? (
        <EmptyState titleText="You are in no organization yet" headingLevel="h2" data-testid="no-organizations">
          <EmptyStateBody>Ask an administrator of this registry to add you to one.</EmptyStateBody>
        </EmptyState>
      ) : (
        <>
          <Toolbar>
            <ToolbarContent>
              <ToolbarItem>
                <SearchInput
                  aria-label="Search organizations"
                  placeholder="Search"
                  value={search}
                  onChange={(_event, value) => setSearch(value)}
                  onClear={() => setSearch('')}
                />
              </ToolbarItem>
            </ToolbarContent>
          </Toolbar>
          <Found organizations={organizations} search={search.trim().toLowerCase()} />
          {list.hasNextPage ? (
            <Button variant="link" isLoading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              Show more
            </Button>
          ) : null}
        </>
      )}
    </PageSection>
  );
}

interface FoundProps {
  readonly organizations: readonly Organization[];
  readonly search: string;
}

function Found({ organizations, search }: FoundProps) {
  const found = organizations.filter(
    ({ name, upstream_registry }) => name.includes(search) || upstream_registry?.includes(search) === true,
  );
  if (found.length === 0) {
    return (
      <EmptyState titleText="Nothing found" headingLevel="h2">
        <EmptyStateBody>None of the {organizations.length} organizations shown has a name like that.</EmptyStateBody>
      </EmptyState>
    );
  }
  return (
    <Table aria-label="Organizations" variant="compact" data-testid="organizations">
      <Thead>
        <Tr>
          <Th>Name</Th>
          <Th>Upstream</Th>
          <Th>Settings</Th>
        </Tr>
      </Thead>
      <Tbody>
        {found.map(({ name, upstream_registry, is_org_admin }) => (
          <Tr key={name}>
            <Td dataLabel="Name">
              <a href={organizationPath(name)} onClick={open(organizationPath(name))}>
                {name}
              </a>
            </Td>
            <Td dataLabel="Upstream">{upstream_registry ?? 'none'}</Td>
            <Td dataLabel="Settings">
              <Label color={is_org_admin ? 'blue' : 'grey'}>{is_org_admin ? 'May change' : 'May see'}</Label>
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

function open(path: string): (event: MouseEvent) => void {
  return (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    goTo(path);
  };
}
