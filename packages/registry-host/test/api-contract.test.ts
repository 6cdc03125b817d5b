import { type DocumentedOperation, rawGet, startTestRegistry, type TestRegistry } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

// The OpenAPI document against what the API does: bad bodies of every kind are refused by name, and the documentation can
// be read. That every answer is as documented is checked wherever the tests ask the API (test-kit, api-contract).

let breakwater: TestRegistry;
let operations: readonly DocumentedOperation[];

beforeAll(async () => {
  breakwater = await startTestRegistry();
  operations = (await breakwater.contract()).operations;
  await breakwater.api('POST', '/api/v1/organization/', { name: 'lab' });
  await breakwater.api('POST', '/api/v1/organization/lab/proxycache', { upstream_registry: 'docker.io' });
});
afterAll(() => breakwater?.close());

const pathOf = ({ path }: DocumentedOperation) => path.replace('{orgname}', 'lab').replace(/\{\w+\}/g, 'admin');

async function send(operation: DocumentedOperation, body: string, type = 'application/json') {
  const answer = await fetch(`${breakwater.url}${pathOf(operation)}`, {
    method: operation.method,
    headers: { authorization: breakwater.authorization, 'content-type': type, connection: 'close' },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, body: JSON.parse(text) as { detail?: string; problems?: { field?: string }[] } };
}

/** One value of each kind that JSON has, and of those that are nearly right. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  1e20,
  '',
  '1',
  'x',
  'x'.repeat(20_000),
  [],
  [1],
  [null],
  {},
  { a: 1 },
];

test('what is not a JSON object is refused by every operation that takes a body', async () => {
  const withBody = operations.filter(({ body, isBodyRequired }) => body !== undefined && isBodyRequired);
  expect(withBody.length).toBeGreaterThan(10);
  const wrong: string[] = [];
  for (const operation of withBody) {
    for (const body of ['', '{', '{"a":}', '[]', '"text"', '7', 'null', 'true', '{"a":1}{"b":2}']) {
      const answer = await send(operation, body);
      if (answer.status !== 400 || !/JSON object/.test(answer.body.detail ?? '')) {
        wrong.push(`${operation.id} ${body}: ${answer.status} ${answer.body.detail}`);
      }
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '']) {
      const answer = await send(operation, '{}', type);
      if (answer.status !== 400 || !/application\/json/.test(answer.body.detail ?? ''))
        wrong.push(`${operation.id} as ${type}: ${answer.status}`);
    }
    const large = await send(operation, JSON.stringify({ a: 'x'.repeat(300_000) }));
    if (large.status !== 413) wrong.push(`${operation.id} large: ${large.status}`);
  }
  expect(wrong).toEqual([]);
});

test('a field that is not as documented is refused by name, with what was wrong', async () => {
  const contract = await breakwater.contract();
  const wrong: string[] = [];
  let tried = 0;
  for (const operation of operations) {
    const { properties = {} } = (operation.body ?? {}) as { properties?: Record<string, Record<string, unknown>> };
    for (const [field, schema] of Object.entries(properties)) {
      const values = VALUES.filter((value) => contract.problems(schema, value).length > 0);
      // A schema that takes everything says nothing.
      if (values.length === 0) wrong.push(`${operation.id}.${field} takes everything`);
      for (const value of values) {
        tried += 1;
        const answer = await send(operation, JSON.stringify({ [field]: value }));
        const named = answer.body.problems?.some((problem) => (problem.field ?? '').startsWith(field));
        if (answer.status !== 400 || named !== true) {
          const said = JSON.stringify(answer.body).slice(0, 300);
          wrong.push(`${operation.id}.${field} ${JSON.stringify(value).slice(0, 30)}: ${answer.status} ${said}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(tried).toBeGreaterThan(200);
});

test('the document is OpenAPI 3.1 with the ids of Quay, and stands as a page without script', async () => {
  const { status, body } = await breakwater.api('GET', '/api/v1/openapi.json', undefined, { authorization: '' });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    openapi: '3.1.0',
    paths: {
      '/api/v1/organization/{orgname}/proxycache': {
        get: { operationId: 'getProxyCacheConfig' },
        post: { operationId: 'createProxyCacheConfig' },
        delete: { operationId: 'deleteProxyCacheConfig' },
      },
      '/api/v1/organization/{orgname}/validateproxycache': { post: { operationId: 'validateProxyCacheConfig' } },
    },
  });
  const page = await rawGet(`${breakwater.url}/api/v1/docs`);
  expect(page.status).toBe(200);
  expect(page.headers['content-security-policy']).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; frame-ancestors 'none'$/,
  );
  const html = page.bytes.toString('utf8');
  expect(html).not.toMatch(/<script|\son\w+=|style="/i);
  for (const { id } of operations) expect(html).toContain(`<article id="${id}">`);
});
