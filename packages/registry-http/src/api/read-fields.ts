import { z } from 'zod';
import { type FieldProblem, invalidRequest } from './api-error.js';

/** Longest part of a value that a message repeats. */
const LONGEST_SHOWN = 40;

/**
 * Reads a body by its schema.
 * @throws ApiError INVALID naming every field that is wrong, and what would be right
 */
export function readFields<Schema extends z.ZodObject>(schema: Schema, body: unknown): z.output<Schema> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const message = `the body must be a JSON object, sent with Content-Type: application/json; it is ${kindOf(body)}`;
    throw invalidRequest([{ field: undefined, message }]);
  }
  return checked(schema, body, 'a field');
}

/**
 * Reads a query by its schema. Numbers and booleans are read from their text; every parameter may be given once.
 * @throws ApiError INVALID naming every parameter that is wrong, and what would be right
 */
export function readQuery<Schema extends z.ZodObject>(schema: Schema, query: URLSearchParams): z.output<Schema> {
  const names = [...new Set(query.keys())];
  const twice = names.filter((name) => query.getAll(name).length > 1);
  if (twice.length > 0) throw invalidRequest(twice.map((field) => ({ field, message: 'must be given once' })));
  return checked(
    schema,
    Object.fromEntries(names.map((name) => [name, parameter(schema, name, query)])),
    'a parameter',
  );
}

/** A word for the type of a JSON value, for messages that must not repeat the value itself. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return 'a text';
  return value === undefined ? 'missing' : `a ${typeof value}`;
}

function parameter(schema: z.ZodObject, name: string, query: URLSearchParams): unknown {
  const text = query.get(name) ?? '';
  const wanted = bare(schema.shape[name]);
  if (wanted instanceof z.ZodNumber && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (wanted instanceof z.ZodBoolean && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** The schema without what makes it optional. */
function bare(schema: unknown): unknown {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? bare(schema.unwrap()) : schema;
}

function checked<Schema extends z.ZodObject>(schema: Schema, fields: object, noun: string): z.output<Schema> {
  const result = schema.safeParse(fields, { error: sentence });
  if (result.success) return result.data;
  const known = Object.keys(schema.shape);
  const problems = new Map<string, FieldProblem>();
  for (const issue of result.error.issues) {
    for (const problem of problemsOf(issue, known, noun)) {
      const key = String(problem.field);
      if (!problems.has(key)) problems.set(key, problem);
    }
  }
  throw invalidRequest([...problems.values()]);
}

function problemsOf(issue: z.core.$ZodIssue, known: readonly string[], noun: string): readonly FieldProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: JSON.stringify(key.slice(0, LONGEST_SHOWN)),
      message: known.length === 0 ? `is not ${noun}; there is none` : `is not ${noun}; there are ${known.join(', ')}`,
    }));
  }
  const field = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : String(part))).join('.');
  return [{ field: field === '' ? undefined : field.replaceAll('.[', '['), message: issue.message }];
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** What is wrong with a value, and what would be right, where the schema does not say it better. */
function sentence(issue: z.core.$ZodRawIssue): string | undefined {
  const it = `it is ${shown(issue.input)}`;
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return `is required: ${KINDS[issue.expected] ?? issue.expected}`;
      return `must be ${KINDS[issue.expected] ?? issue.expected}; ${it}`;
    case 'too_small':
      return `must be at least ${issue.minimum}${unit(issue.origin)}; ${size(issue.input, it)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${unit(issue.origin)}; ${size(issue.input, it)}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      const right = values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
      return issue.input === undefined ? `is required: ${right}` : `must be ${right}, not ${shown(issue.input)}`;
    }
    default:
      return undefined;
  }
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' || origin === 'set' ? ' entries long' : '';
}

/** Texts that are too long or too short may be secrets. */
function size(input: unknown, it: string): string {
  return typeof input === 'string' || Array.isArray(input) ? `it has ${input.length}` : it;
}

function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? JSON.stringify(value.slice(0, LONGEST_SHOWN)) : kindOf(value);
}
