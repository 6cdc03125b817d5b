import { Bullseye, Spinner } from '@patternfly/react-core';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { isApiFailure } from '../api/api-failure.js';
import { createSettingsPageApi, type SettingsPageApi } from '../api/settings-page-api.js';
import { Failure } from '../parts/failure.js';
import { Frame } from './frame.js';
import { OrganizationPage } from './organization-page.js';
import { OrganizationsPage } from './organizations-page.js';
import { watchPresence } from './presence.js';
import { parseRoute, pathAfterSignIn } from './route.js';
import { SessionEndedDialog } from './session-ended-dialog.js';
import { SignInPage } from './sign-in-page.js';
import { goTo, mayLeave, useLocation } from './use-location.js';

const SESSION_KEY = ['', 'session'];
/** A session that ends is noticed at the next question, at the latest after this time. Milliseconds. */
const SESSION_REFRESH_MS = 60_000;

/** The page that org-settings serves: sign-in, the list of organizations, the settings of each. */
export function App() {
  const [api] = useState(() => {
    const presence = watchPresence(window, () => performance.now());
    return createSettingsPageApi({ headers: presence.headers });
  });
  const [ended, setEnded] = useState(false);
  const [queries] = useState(() => {
    // Another tab may have signed in anew meanwhile, and the answer be that to a cookie from before.
    const noticeEnd = (error: Error) => {
      if (isSignedOut(error))
        api.session().then(
          () => setEnded(false),
          (again) => setEnded(isSignedOut(again)),
        );
    };
    return new QueryClient({
      queryCache: new QueryCache({ onError: noticeEnd }),
      mutationCache: new MutationCache({ onError: noticeEnd }),
      defaultOptions: {
        queries: { retry: (failures, error) => failures < 2 && isApiFailure(error) && error.status >= 500 },
      },
    });
  });
  return (
    <QueryClientProvider client={queries}>
      <Routed api={api} queries={queries} ended={ended} setEnded={setEnded} />
    </QueryClientProvider>
  );
}

interface RoutedProps {
  readonly api: SettingsPageApi;
  readonly queries: QueryClient;
  readonly ended: boolean;
  setEnded(ended: boolean): void;
}

function Routed({ api, queries, ended, setEnded }: RoutedProps) {
  const { path, search } = useLocation();
  const [signedOut, setSignedOut] = useState(false);
  const route = parseRoute(path);
  const session = useQuery({
    queryKey: SESSION_KEY,
    queryFn: async () => {
      const found = await api.session();
      setEnded(false);
      return found;
    },
    refetchInterval: SESSION_REFRESH_MS,
    enabled: route.page !== 'sign-in',
  });
  const wasSignedIn = session.data !== undefined;
  const unknown = !wasSignedIn && isSignedOut(session.error);
  const here = `${path}${search}`;
  useEffect(() => {
    if (unknown && path !== '/signin') goTo(`/signin?next=${encodeURIComponent(here)}`);
  }, [unknown, path, here]);

  // Loaded anew, so that nothing of one reader is left for the next; once the form is gone, so that nobody is asked twice.
  useEffect(() => {
    if (signedOut) window.location.assign('/signin');
  }, [signedOut]);

  async function signIn(username: string, password: string): Promise<void> {
    queries.setQueryData(SESSION_KEY, await api.signIn(username, password));
    setEnded(false);
    await queries.invalidateQueries();
  }
  async function signOut(): Promise<void> {
    if (!mayLeave()) return;
    await api.signOut();
    setSignedOut(true);
  }

  if (signedOut) return <Spinner aria-label="Signing out" />;
  if (route.page === 'sign-in') {
    return <SignInPage signIn={signIn} onSignedIn={() => goTo(pathAfterSignIn(search))} />;
  }
  if (session.data === undefined) {
    return (
      <Bullseye>
        {session.error === null || unknown ? (
          <Spinner aria-label="Loading" />
        ) : (
          <Failure title="The page could not be loaded" error={session.error} onRetry={() => void session.refetch()} />
        )}
      </Bullseye>
    );
  }
  return (
    <Frame
      session={session.data}
      signOut={signOut}
      organization={'organization' in route ? route.organization : undefined}
    >
      {route.page === 'organization' ? (
        <OrganizationPage key={route.organization} api={api} queryClient={queries} organization={route.organization} />
      ) : (
        <OrganizationsPage api={api} />
      )}
      <SessionEndedDialog isOpen={ended} username={session.data.username} signIn={signIn} signOut={signOut} />
    </Frame>
  );
}

function isSignedOut(error: unknown): boolean {
  return isApiFailure(error) && error.status === 401;
}
