import type { RawAnswer } from '@breakwater/test-kit';
import type { Code } from './fault-row.js';

/** What an answer is judged by beside its code. */
export interface AnswerFacts {
  readonly method: 'HEAD' | 'GET';
  /** Digest that was asked for; `undefined` for a tag. */
  readonly digest: string | undefined;
  /** Failure classes that may be named. */
  readonly reasons: readonly string[];
  /** What must never be seen: the upstream's address, its port. */
  readonly hidden: readonly string[];
}

const ERROR_CODES: Partial<Record<Code, readonly [status: number, code: string]>> = {
  '503': [503, 'UNAVAILABLE'],
  '504': [504, 'UNAVAILABLE'],
  '429': [429, 'TOOMANYREQUESTS'],
  '403': [403, 'DENIED'],
  '404m': [404, 'MANIFEST_UNKNOWN'],
  '404b': [404, 'BLOB_UNKNOWN'],
  '404n': [404, 'NAME_UNKNOWN'],
};
const NEVER_PASSED_ON = ['set-cookie', 'clear-site-data', 'location', 'www-authenticate', 'server', 'x-bomb-0000'];

/** What is wrong with an answer that should be one of these codes: sentences, none when it is right. */
export function faultsOf(answer: RawAnswer, codes: readonly Code[], facts: AnswerFacts): readonly string[] {
  const byCode = codes.map((code) => [...faultsByCode(answer, code, facts)]);
  const best = byCode.reduce((least, each) => (each.length < least.length ? each : least));
  return [...best, ...standing(answer, facts)];
}

/** The code that an answer is nearest to, for the results file. */
export function codeOf(answer: RawAnswer, method: 'HEAD' | 'GET'): string {
  if (answer.status !== 200) {
    const [, code] = method === 'HEAD' ? [] : [0, errorOf(answer)?.code];
    return [answer.status, code].filter(Boolean).join(' ');
  }
  return answer.cut ? 'cut' : answer.headers['warning'] === undefined ? '200' : '200s';
}

function* faultsByCode(answer: RawAnswer, code: Code, facts: AnswerFacts): Generator<string> {
  const { status, headers } = answer;
  const error = ERROR_CODES[code];
  if (error !== undefined) {
    yield* faultsOfError(answer, code, error, facts);
    return;
  }
  if (status !== 200) {
    yield `${status} ${shown(answer)} instead of ${code}`;
    return;
  }
  const announced = Number(headers['content-length']);
  if (code === 'cut') {
    if (!answer.cut) yield 'a whole answer instead of a cut one';
    if (answer.bytes.byteLength >= announced) yield 'all announced bytes came before the cut';
    return;
  }
  if (answer.cut) yield `cut after ${answer.bytes.byteLength} of ${announced} bytes`;
  yield* faultsOfContent(answer, facts);
  const { warning = '', age = '' } = headers;
  const isShielded = code === '200s';
  if (isShielded !== /^299 - "[^"]+"$/.test(warning)) yield `the warning is ${JSON.stringify(warning)}`;
  if (!isShielded) return;
  if (!/^\d+$/.test(age)) yield `Age is ${JSON.stringify(age)}`;
  const status_ = String(headers['cache-status']);
  if (!facts.reasons.some((reason) => status_.includes(`detail=${reason}`))) yield `Cache-Status is ${status_}`;
}

function* faultsOfContent({ headers, bytes, sha256 }: RawAnswer, { method, digest }: AnswerFacts): Generator<string> {
  const said = headers['docker-content-digest'];
  if (digest !== undefined && said !== digest) yield `Docker-Content-Digest is ${said}`;
  if (headers['etag'] !== `"${said}"`) yield `ETag is ${headers['etag']}`;
  if (headers['content-type'] === undefined) yield 'no Content-Type';
  if (!(Number(headers['content-length']) > 0)) yield `Content-Length is ${headers['content-length']}`;
  if (method === 'HEAD') {
    if (bytes.byteLength > 0) yield 'a body after HEAD';
    return;
  }
  if (said !== `sha256:${sha256}`) yield `the bytes hash to ${sha256}, the header says ${said}`;
  if (Number(headers['content-length']) !== bytes.byteLength) yield 'Content-Length is not the length';
}

function* faultsOfError(
  answer: RawAnswer,
  code: Code,
  [status, name]: readonly [number, string],
  { method, reasons }: AnswerFacts,
): Generator<string> {
  const { headers } = answer;
  if (answer.status === 200) {
    yield `200 instead of ${code}`;
    return;
  }
  if (answer.status !== status) yield `${answer.status} ${shown(answer)} instead of ${code}`;
  if (headers['cache-control'] !== 'no-store') yield `Cache-Control is ${headers['cache-control']}`;
  if (headers['content-type'] !== 'application/json') yield `Content-Type is ${headers['content-type']}`;
  const retryAfter = Number(headers['retry-after']);
  if ((status >= 500 || status === 429) && !(retryAfter >= 5 && retryAfter <= 60)) {
    yield `Retry-After is ${headers['retry-after']}`;
  }
  if (status >= 500 && !/^(Upstream|Registry) /.test(answer.reasonPhrase)) yield `it says ${answer.reasonPhrase}`;
  if (method === 'HEAD') return;
  const error = errorOf(answer);
  if (error?.code !== name) yield `the error is ${shown(answer)}`;
  if (status !== 404 && !reasons.includes(String(error?.detail?.reason))) yield `the reason is ${shown(answer)}`;
}

/** What holds for every answer. */
function* standing(answer: RawAnswer, { hidden }: AnswerFacts): Generator<string> {
  const { status, headers } = answer;
  if ([400, 500, 502].includes(status)) yield `${status} is never an answer to a failing upstream`;
  for (const name of NEVER_PASSED_ON) if (headers[name] !== undefined) yield `${name} came down from the upstream`;
  if (status === 200) return;
  const seen = `${answer.reasonPhrase} ${JSON.stringify(headers)} ${answer.bytes}`;
  if (/\n {4}at |node:internal|\.ts:\d/.test(seen)) yield 'a stack is shown';
  for (const secret of hidden) if (seen.includes(secret)) yield `${secret} is shown: ${seen}`;
}

function shown({ bytes }: RawAnswer): string {
  return bytes.toString().slice(0, 300);
}

interface ErrorEntry {
  readonly code?: string;
  readonly detail?: { readonly reason?: string };
}

function errorOf(answer: RawAnswer): ErrorEntry | undefined {
  try {
    return (JSON.parse(answer.bytes.toString()) as { errors?: ErrorEntry[] }).errors?.[0];
  } catch {
    return undefined;
  }
}
