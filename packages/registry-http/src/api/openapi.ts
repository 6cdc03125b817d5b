import { z } from 'zod';
import { API_ERRORS } from './api-error.js';
import type { ApiOperation } from './operation.js';

/** A JSON Schema of the 2020-12 draft, which is what OpenAPI 3.1 takes. */
type JsonSchema = Readonly<Record<string, unknown>>;

/** What a document says of the API as a whole. */
export interface ApiFacts {
  readonly title: string;
  readonly version: string;
}

const WHO: Readonly<Record<ApiOperation['right'], string>> = {
  public: 'anybody',
  'signed-in': 'whoever is signed in',
  administer: 'administrators of the registry',
  'read-settings': 'members of the organization',
  'write-settings': 'admins of the organization',
};
const METHODS_WITHOUT_EFFECT = new Set(['GET']);
const REFUSAL = { $ref: '#/components/responses/Refusal' };

/**
 * Describes operations as OpenAPI 3.1, from the very schemas that requests are read by and the tables that say who may.
 * @throws Error for two operations of one id, or one method and path
 */
export function openApiDocument(operations: readonly ApiOperation[], facts: ApiFacts): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  const ids = new Set<string>();
  for (const operation of operations) {
    const path = paths[operation.path] ?? {};
    paths[operation.path] = path;
    const method = operation.method.toLowerCase();
    if (ids.has(operation.id) || method in path) throw new Error(`${operation.id} is described twice`);
    ids.add(operation.id);
    path[method] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: { ...facts, description: 'Paths, names and answers are those of Quay where Quay has them.' },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        token: { type: 'http', scheme: 'bearer', description: 'an API token' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'breakwater-session',
          description: 'writes need X-CSRF-Token as well; behind https the name begins with __Host-',
        },
      },
      responses: {
        Refusal: {
          description: 'what was wrong, and what would be right',
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Refusal' } } },
        },
      },
      schemas: { Refusal: toJsonSchema(refusalSchema, 'output') },
    },
  };
}

/** The body of every refusal. */
const refusalSchema = z.looseObject({
  detail: z.string().meta({ description: 'for people' }),
  error_message: z.string().meta({ description: "Quay's own text, where it has one" }),
  error_type: z.string().meta({ description: 'for programs' }),
  title: z.string(),
  type: z.string(),
  status: z.int(),
  problems: z
    .array(z.strictObject({ field: z.string().optional(), message: z.string() }))
    .optional()
    .meta({ description: 'each field that was wrong; without a field it is the body as a whole' }),
  reason: z.string().optional().meta({ description: 'a failure class' }),
});

function describe(operation: ApiOperation): JsonSchema {
  const { id, summary, right, body, answers } = operation;
  const responses = Object.entries(answers).map(([status, answer]) => [
    status,
    {
      description: answer.description,
      ...(answer.body === undefined ? {} : { content: jsonContent(toJsonSchema(answer.body, 'output')) }),
    },
  ]);
  return {
    operationId: id,
    summary,
    description: `For ${WHO[right]}.`,
    tags: [tagOf(operation.path)],
    'x-right': right,
    ...(right === 'public' ? { security: [] } : { security: [{ basic: [] }, { token: [] }, { session: [] }] }),
    parameters: parametersOf(operation),
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: operation.bodyOptional !== true, content: jsonContent(toJsonSchema(body, 'input')) },
        }),
    responses: { ...Object.fromEntries(responses), ...refusalsOf(operation) },
  };
}

function refusalsOf({ right, query, body }: ApiOperation): JsonSchema {
  const isSigned = right !== 'public';
  return {
    ...(query === undefined && body === undefined ? {} : { [API_ERRORS.INVALID.status]: REFUSAL }),
    ...(isSigned ? { [API_ERRORS.UNAUTHENTICATED.status]: REFUSAL } : {}),
    ...(isSigned && right !== 'signed-in' ? { [API_ERRORS.FORBIDDEN.status]: REFUSAL } : {}),
    default: REFUSAL,
  };
}

function parametersOf(operation: ApiOperation): readonly JsonSchema[] {
  const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = operation.query === undefined ? undefined : toJsonSchema(operation.query, 'input');
  const properties = Object.entries((query?.['properties'] ?? {}) as Record<string, JsonSchema>);
  const inQuery = properties.map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(description === undefined ? {} : { description }),
    schema,
  }));
  const inHeader = Object.entries(operation.headers ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
  const csrf = METHODS_WITHOUT_EFFECT.has(operation.method) || operation.right === 'public' ? [] : [CSRF_HEADER];
  return [...inPath, ...inQuery, ...inHeader, ...csrf];
}

const CSRF_HEADER = {
  name: 'X-CSRF-Token',
  in: 'header',
  description: 'with a session: its csrf_token',
  schema: { type: 'string' },
};

function tagOf(path: string): string {
  if (path.includes('proxycache')) return 'proxy cache';
  if (path.startsWith('/api/v1/organization')) return 'organizations';
  if (/^\/api\/v1\/(?:superuser|gc|storage)(?:\/|$)/.test(path)) return 'administration';
  return 'session and user';
}

function jsonContent(schema: JsonSchema): JsonSchema {
  return { 'application/json': { schema } };
}

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _draft, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
