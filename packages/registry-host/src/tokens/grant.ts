import type { OrganizationName, RepositoryName } from '@breakwater/registry-core';

/** What a token of ours may be for. Each is for itself: who asked to push gets nothing deleted with it, nor the other way round. */
export type GrantedAction = 'pull' | 'push' | 'delete';

/** What a token allows in one repository; the shape is that of Docker's token protocol ("access" of the claim set). */
export interface Grant {
  readonly type: 'repository';
  /** `<organization>/<repository>` */
  readonly name: string;
  readonly actions: readonly GrantedAction[];
}

/** What a scope asks for: `repository:<name>:<action>,<action>`. */
export interface Scope {
  readonly name: string;
  readonly actions: readonly GrantedAction[];
}

/** Scopes that are read of one request; clients send one or two. */
const MOST_SCOPES = 100;
/** Longer ones name no repository: a name has 255 characters at most. */
const LONGEST_SCOPE = 512;
const RESOURCE = /^repository(?:\([a-z0-9]+\))?$/;
const EVERYTHING: readonly GrantedAction[] = ['pull', 'push', 'delete'];

/** Reads scopes as clients send them: several parameters, or several in one, parted by spaces. Others are left out. */
export function parseScopes(given: readonly string[]): readonly Scope[] {
  const texts = given.flatMap((each) => each.split(' ')).filter((each) => each !== '');
  return texts.slice(0, MOST_SCOPES).flatMap((text) => parseScope(text) ?? []);
}

/** A name may hold a colon, that of a port: it stands between the first one and the last. */
function parseScope(text: string): Scope | undefined {
  if (text.length > LONGEST_SCOPE) return undefined;
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (last - first < 2 || !RESOURCE.test(text.slice(0, first))) return undefined;
  const words = new Set(text.slice(last + 1).split(','));
  const actions = EVERYTHING.filter((action) => words.has(action) || words.has('*'));
  return actions.length === 0 ? undefined : { name: text.slice(first + 1, last), actions };
}

/** Whether grants allow something to be done in a repository. */
export function allows(
  grants: readonly Grant[],
  action: string,
  organization: OrganizationName,
  repository: RepositoryName,
): boolean {
  const name = `${organization}/${repository}`;
  return grants.some((grant) => grant.name === name && grant.actions.some((each) => each === action));
}
