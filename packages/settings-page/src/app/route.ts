/** What the page can show. */
export type Route =
  | { readonly page: 'sign-in' }
  | { readonly page: 'organizations' }
  | { readonly page: 'organization'; readonly organization: string };

/** What stands at a path; anything unknown is the list of organizations. */
export function parseRoute(path: string): Route {
  if (/^\/signin\/?$/.test(path)) return { page: 'sign-in' };
  const [, name] = /^\/organization\/([^/]+)\/?$/.exec(path) ?? [];
  const organization = name === undefined ? undefined : decoded(name);
  return organization === undefined ? { page: 'organizations' } : { page: 'organization', organization };
}

/** The address of an organization's settings, as Quay has it. */
export function organizationPath(organization: string): string {
  return `/organization/${encodeURIComponent(organization)}?tab=Settings`;
}

/** Where to go after signing in: only within this page. */
export function pathAfterSignIn(search: string): string {
  const wanted = new URLSearchParams(search).get('next') ?? '';
  return /^\/organization(?:\/[^/\\]*)?$/.test(wanted.split('?')[0] ?? '') ? wanted : '/organization';
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
