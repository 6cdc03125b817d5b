import type { AccessAction, OrganizationName, RepositoryName } from '@breakwater/registry-core';

/** What a token of ours may be for. Whoever may push may delete. */
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
const SCOPE = /^repository(?:\([a-z0-9]+\))?:([^:]+(?::[0-9]+)?[^:]*):([a-z,*]+)$/;
const EVERYTHING: readonly GrantedAction[] = ['pull', 'push', 'delete'];

/** Reads scopes as clients send them: several parameters, or several in one, parted by spaces. Others are left out. */
export function parseScopes(given: readonly string[]): readonly Scope[] {
  const texts = given.flatMap((each) => each.split(' ')).filter((each) => each !== '');
  return texts.slice(0, MOST_SCOPES).flatMap((text) => {
    const [, name = '', wanted = ''] = SCOPE.exec(text) ?? [];
    const words = new Set(wanted.split(','));
    const actions = EVERYTHING.filter((action) => words.has(action) || words.has('*'));
    return name === '' || actions.length === 0 ? [] : [{ name, actions }];
  });
}

/** Whether grants allow something to be done in a repository. */
export function allows(
  grants: readonly Grant[],
  action: AccessAction,
  organization: OrganizationName,
  repository: RepositoryName,
): boolean {
  const name = `${organization}/${repository}`;
  return grants.some((grant) => grant.name === name && grant.actions.some((each) => covers(each, action)));
}

function covers(granted: GrantedAction, wanted: AccessAction): boolean {
  return granted === 'pull' ? wanted === 'pull' : wanted === 'push';
}
