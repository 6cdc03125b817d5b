/** What a registry answered. */
export interface Answer {
  readonly request: string;
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

/** Why a check failed, in a sentence that says what was asked and what came. */
export class CheckFailure extends Error {
  readonly code = 'CHECK_FAILED';
}

/** Why a check cannot be made of a registry: what its clause is about is not there. */
export class NotApplicable extends Error {
  readonly code = 'NOT_APPLICABLE';
}

/** Fails unless something holds. */
export function must(holds: boolean, answer: Answer, wanted: string): void {
  if (holds) return;
  throw new CheckFailure(`${answer.request}: ${wanted}; got ${answer.status} ${excerpt(answer)}`);
}

/** Fails unless the status is one of these. */
export function mustHaveStatus(answer: Answer, ...statuses: readonly number[]): void {
  must(statuses.includes(answer.status), answer, `wanted status ${statuses.join(' or ')}`);
}

/** A header's value; fails when it is missing, or does not match. */
export function mustHaveHeader(answer: Answer, name: string, pattern = /./): string {
  const value = answer.headers.get(name);
  must(value !== null, answer, `wanted a header ${name}`);
  must(pattern.test(value ?? ''), answer, `wanted a header ${name} like ${pattern}, not ${value}`);
  return value ?? '';
}

/** The body as JSON; fails when it is none. */
export function mustBeJson(answer: Answer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(answer.bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw new CheckFailure(`${answer.request}: wanted a JSON object; got ${answer.status} ${excerpt(answer)}`);
}

function excerpt({ bytes }: Answer): string {
  return JSON.stringify(bytes.subarray(0, 200).toString('utf8'));
}
