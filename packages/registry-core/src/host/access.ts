import type { IncomingMessage } from 'node:http';
import type { OrganizationName, RepositoryName } from '../oci/reference.js';

/** Somebody whose credentials were verified. */
export interface Principal {
  readonly name: string;
}

/**
 * What somebody may want to do: to content (`pull`, `push`, `delete`), to an organization's settings, or to the whole
 * registry. The packages ask for `pull` alone where content is concerned; the others are what hosts ask themselves.
 */
export type AccessAction = 'pull' | 'push' | 'delete' | 'read-settings' | 'write-settings' | 'administer';

/** What is acted on. `organization` is absent only for `administer`. */
export interface AccessTarget {
  readonly organization?: OrganizationName;
  readonly repository?: RepositoryName;
}

/** The host's own authentication and authorization. */
export interface Access {
  /**
   * Who sent the request; `undefined` for nobody in particular.
   * @throws RegistryError UNAUTHORIZED when credentials were sent and are wrong
   */
  authenticate(request: IncomingMessage): Promise<Principal | undefined>;
  /** Whether they may. Nobody in particular may pull where the host allows anonymous pulls. */
  authorize(principal: Principal | undefined, action: AccessAction, target: AccessTarget): Promise<boolean>;
  /** The `WWW-Authenticate` value for a request that needs credentials. */
  challenge(request: IncomingMessage): string;
}
