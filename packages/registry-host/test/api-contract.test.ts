import { Agent } from 'node:http';
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

const agent = new Agent({ keepAlive: true });
afterAll(() => agent.destroy());

async function send(operation: DocumentedOperation, body: string, type = 'application/json') {
  const headers = { authorization: breakwater.authorization, 'content-type': type };
  const { method } = operation;
  const { status, bytes } = await rawGet(`${breakwater.url}${pathOf(operation)}`, { method, headers, body, agent });
  type Answer = { readonly detail?: string; readonly problems?: readonly { readonly field?: string }[] };
  return { status, body: JSON.parse(bytes.toString('utf8')) as Answer };
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

test('fields that are not as documented are refused by name, all of them at once', async () => {
  const contract = await breakwater.contract();
  const wrong: string[] = [];
  let tried = 0;
  for (const operation of operations) {
    const { properties = {} } = (operation.body ?? {}) as { properties?: Record<string, Record<string, unknown>> };
    const fields = Object.entries(properties).map(([field, schema]) => {
      return { field, values: VALUES.filter((value) => contract.problems(schema, value).length > 0) };
    });
    // A schema that takes everything says nothing.
    for (const { field, values } of fields) if (values.length === 0) wrong.push(`${operation.id}.${field} takes all`);
    const rounds = Math.max(0, ...fields.map(({ values }) => values.length));
    for (let round = 0; round < rounds; round += 1) {
      const body = Object.fromEntries(fields.map(({ field, values }) => [field, values[round % values.length]]));
      const answer = await send(operation, JSON.stringify(body));
      const named = answer.body.problems?.map((problem) => problem.field ?? '') ?? [];
      for (const { field } of fields) {
        tried += 1;
        if (answer.status === 400 && named.some((name) => name === field || name.startsWith(`${field}[`))) continue;
        const value = JSON.stringify(body[field])?.slice(0, 30);
        wrong.push(`${operation.id}.${field} ${value}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(tried).toBeGreaterThan(300);
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
