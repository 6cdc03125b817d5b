import type { IncomingMessage } from 'node:http';
import type { RegistryRoute } from '@breakwater/registry-http';
import type { GrantedAction } from '../tokens/grant.js';

/** What a request wants to do to the content of its repository. Uploads are their writer's affair, also to look at and to end. */
export function neededAction(
  { method }: IncomingMessage,
  route: Extract<RegistryRoute, { readonly organization: unknown }>,
): GrantedAction {
  if (route.kind === 'upload') return 'push';
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'push';
}
