import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startCluster, type TestCluster, type TestProcess } from './support/harness.js';

let cluster: TestCluster;
let server: TestProcess;

beforeAll(async () => {
  cluster = await startCluster();
  server = await cluster.startProcess();
  await server.call('POST', '/api/v1/organization/acme/proxycache', { upstream_registry: 'docker.io' });
});
afterAll(() => cluster.stop());

/** The authoritative table (S25, S30): what each one gets on each route, in an organization where all is in order. */
const ROUTES = [
  { method: 'GET', path: 'proxycache', allowed: 200, right: 'read' },
  { method: 'POST', path: 'proxycache', allowed: 400, right: 'write' },
  { method: 'PUT', path: 'proxycache', allowed: 200, right: 'write' },
  { method: 'POST', path: 'validateproxycache', allowed: 400, right: 'write' },
  { method: 'POST', path: 'proxycache/test', allowed: 200, right: 'write' },
  { method: 'GET', path: 'logs', allowed: 200, right: 'write' },
  { method: 'DELETE', path: 'proxycache', allowed: 412, right: 'write' },
] as const;
const WHO = [
  { name: undefined, read: 401, write: 401 },
  { name: 'wrong', read: 401, write: 401 },
  { name: 'stranger', read: 403, write: 403 },
  { name: 'member', read: undefined, write: 403 },
  { name: 'admin', read: undefined, write: undefined },
  { name: 'root', read: undefined, write: undefined },
] as const;
const ORGANIZATIONS = ['acme', 'forbidden', 'missing', 'Not-A-Name', '..%2facme'];

const CASES = ORGANIZATIONS.flatMap((organization) =>
  WHO.flatMap((who) => ROUTES.map((route) => ({ organization, who: who.name, route, refused: who[route.right] }))),
);

test.each(CASES)('$who: $route.method $organization/$route.path', async ({ organization, who, route, refused }) => {
  const headers = { 'if-match': route.method === 'DELETE' ? '"0"' : '*' };
  const answer = await server.call(
    route.method,
    `/api/v1/organization/${organization}/${route.path}`,
    route.method === 'GET' || route.method === 'DELETE' ? undefined : {},
    // An empty value signs nobody in.
    who === undefined ? { ...headers, authorization: '' } : { ...headers, authorization: `Bearer ${who}` },
  );
  const allowed = organization === 'acme' || (organization === 'forbidden' && who === 'root');
  const withRight =
    organization === 'forbidden' ? { GET: 200, POST: 400, PUT: 404, DELETE: 404 }[route.method] : route.allowed;
  const expected = refused ?? (allowed ? withRight : 403);
  expect(answer.status).toBe(expected);
  expect(answer.headers.get('www-authenticate')).toBe(expected === 401 ? 'Basic realm="test"' : null);
  if (expected === 401)
    expect(answer.json).toMatchObject({ error_type: 'invalid_token', detail: 'Requires authentication' });
  if (expected === 403) {
    // Alike to the byte, whether there is no right or no organization.
    expect(answer.json).toEqual({
      detail: 'Unauthorized',
      error_message: 'Unauthorized',
      error_type: 'insufficient_scope',
      title: 'insufficient_scope',
      type: '/api/v1/error/insufficient_scope',
      status: 403,
    });
  }
});

test('a body is not read for somebody without the right', async () => {
  const answer = await server.call('POST', '/api/v1/organization/acme/proxycache', '{not json', {
    authorization: 'Bearer member',
  });
  expect(answer.status).toBe(403);
});
