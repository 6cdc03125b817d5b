import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Json = Readonly<Record<string, unknown>>;

/** An operation as the OpenAPI document has it. */
export interface DocumentedOperation {
  readonly id: string;
  readonly method: string;
  /** With `{name}` for what differs. */
  readonly path: string;
  readonly right: string;
  /** Schema of the body, if it takes one. */
  readonly body: Json | undefined;
  readonly isBodyRequired: boolean;
}

interface CompiledOperation extends DocumentedOperation {
  readonly pattern: RegExp;
  /** By status; `default` for every other. `undefined` = no body. */
  readonly answers: ReadonlyMap<string, ValidateFunction | undefined>;
}

/** Documents are the same for every registry of a test run. */
const compiled = new Map<string, ApiContract>();

/** Holds the answers of a management API against its own OpenAPI document. */
export class ApiContract {
  readonly #operations: readonly CompiledOperation[];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });

  private constructor(document: Json) {
    this.#ajv.addSchema({ $id: 'openapi', ...document });
    this.#operations = Object.entries(object(document['paths'])).flatMap(([path, methods]) =>
      Object.entries(object(methods)).map(([method, facts]) => this.#compile(path, method, object(facts))),
    );
  }

  /** The contract of a registry, from its `/api/v1/openapi.json`. */
  static async of(url: string): Promise<ApiContract> {
    const answer = await fetch(`${url}/api/v1/openapi.json`, { headers: { connection: 'close' } });
    const text = await answer.text();
    const contract = compiled.get(text) ?? new ApiContract(JSON.parse(text) as Json);
    compiled.set(text, contract);
    return contract;
  }

  get operations(): readonly DocumentedOperation[] {
    return this.#operations;
  }

  /** What keeps a value from being as a schema of the document says; empty when it is. */
  problems(schema: Json, value: unknown): readonly string[] {
    const validate = this.#ajv.compile(schema);
    return validate(value) ? [] : describe(validate);
  }

  /**
   * Checks an answer.
   * @throws Error saying what is not as it is documented; paths that are not documented pass
   */
  check(method: string, target: string, status: number, body: unknown): void {
    const [path = ''] = target.split('?');
    const matching = this.#operations.filter(({ pattern }) => pattern.test(path));
    const wanted = method === 'HEAD' ? 'GET' : method;
    const operation = matching.find((each) => each.method === wanted) ?? (status === 405 ? matching[0] : undefined);
    // A registry that is starting, or cannot go on, answers before any operation does.
    if (operation === undefined || method === 'HEAD') return;
    const known = operation.answers.has(String(status)) ? String(status) : 'default';
    const validate = operation.answers.get(known);
    const problems = validate === undefined ? (body === undefined ? [] : ['has a body']) : [];
    if (validate !== undefined && !validate(body)) problems.push(...describe(validate));
    if (problems.length === 0) return;
    const what = `${method} ${target} answered ${status}, which is not as ${operation.id} is documented`;
    throw new Error(`${what}:\n${problems.join('\n')}\n${JSON.stringify(body)}`);
  }

  #compile(path: string, method: string, facts: Json): CompiledOperation {
    const responses = object(facts['responses']);
    const answers = Object.keys(responses).map((status) => {
      const response = object(responses[status]);
      const isRefusal = '$ref' in response;
      const schema = isRefusal ? { $ref: 'openapi#/components/schemas/Refusal' } : schemaOf(response);
      return [status, schema === undefined ? undefined : this.#ajv.compile(schema)] as const;
    });
    const segments = path.replace(/\/$/, '').split('/');
    const source = segments.map((segment) => (segment.startsWith('{') ? '[^/]+' : segment.replace(/[^\w]/g, '\\$&')));
    return {
      id: String(facts['operationId']),
      method: method.toUpperCase(),
      path,
      right: String(facts['x-right']),
      body: schemaOf(object(facts['requestBody'])),
      isBodyRequired: object(facts['requestBody'])['required'] === true,
      pattern: new RegExp(`^${source.join('/')}/?$`),
      answers: new Map(answers),
    };
  }
}

function schemaOf(holder: Json): Json | undefined {
  const schema = object(object(holder['content'])['application/json'])['schema'];
  return schema === undefined ? undefined : object(schema);
}

function describe(validate: ValidateFunction): string[] {
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    return `${instancePath === '' ? 'the body' : instancePath} ${message ?? ''} ${JSON.stringify(params)}`;
  });
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
