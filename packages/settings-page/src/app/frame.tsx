import {
  Breadcrumb,
  BreadcrumbItem,
  Button,
  FormSelect,
  FormSelectOption,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  Page,
  PageSection,
  SkipToContent,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { type MouseEvent, type ReactNode, useEffect, useState } from 'react';
import type { Session } from '../api/shapes.js';
import { Failure } from '../parts/failure.js';
import { BrandMark } from './brand-mark.js';
import { applyTheme, storedTheme, type Theme } from './theme.js';
import { goTo } from './use-location.js';

interface FrameProps {
  readonly session: Session;
  readonly organization: string | undefined;
  readonly children: ReactNode;
  signOut(): Promise<void>;
}

/** What stands around every page: where one is, who one is, the theme. */
export function Frame({ session, organization, children, signOut }: FrameProps) {
  const leaving = useMutation({ mutationFn: signOut });
  return (
    <Page
      mainContainerId="content"
      skipToContent={<SkipToContent href="#content">Skip to content</SkipToContent>}
      masthead={
        <Masthead display={{ default: 'stack', md: 'inline' }}>
          <MastheadMain>
            <MastheadBrand>
              <MastheadLogo component="a" href="/organization" onClick={within('/organization')}>
                <BrandMark />
              </MastheadLogo>
            </MastheadBrand>
          </MastheadMain>
          <MastheadContent>
            <Toolbar isStatic>
              <ToolbarContent>
                <ToolbarItem align={{ default: 'alignEnd' }}>
                  <ThemeSelect />
                </ToolbarItem>
                <ToolbarItem alignSelf="center" visibility={{ default: 'hidden', md: 'visible' }}>
                  {session.username}
                </ToolbarItem>
                <ToolbarItem>
                  <Button variant="secondary" isDisabled={leaving.isPending} onClick={() => leaving.mutate()}>
                    Sign out
                  </Button>
                </ToolbarItem>
              </ToolbarContent>
            </Toolbar>
          </MastheadContent>
        </Masthead>
      }
      breadcrumb={
        organization === undefined ? undefined : (
          <Breadcrumb>
            <BreadcrumbItem to="/organization" onClick={within('/organization')}>
              Organizations
            </BreadcrumbItem>
            <BreadcrumbItem>{organization}</BreadcrumbItem>
            <BreadcrumbItem isActive>Settings</BreadcrumbItem>
          </Breadcrumb>
        )
      }
    >
      {leaving.error === null ? null : (
        <PageSection>
          <Failure title="You have not been signed out" error={leaving.error} />
        </PageSection>
      )}
      {children}
    </Page>
  );
}

/** A link within the page; with a key held down it opens where the browser would open it. */
function within(address: string): (event: MouseEvent) => void {
  return (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button > 0) return;
    event.preventDefault();
    goTo(address);
  };
}

function ThemeSelect() {
  const [theme, setTheme] = useState(storedTheme);
  useEffect(() => applyTheme(theme), [theme]);
  return (
    <FormSelect
      aria-label="Theme"
      data-testid="theme"
      value={theme}
      onChange={(_event, value) => setTheme(value as Theme)}
    >
      <FormSelectOption value="system" label="System theme" />
      <FormSelectOption value="light" label="Light" />
      <FormSelectOption value="dark" label="Dark" />
    </FormSelect>
  );
}
