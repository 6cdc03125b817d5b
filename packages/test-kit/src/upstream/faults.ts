import type { AnswerPlan, BrokenEnd } from './answer-plan.js';
import type { ConnectionFate } from './listener.js';
import { matchesRequest, type RequestMatcher, type UpstreamRequest } from './upstream-request.js';

/**
 * What can be made to go wrong.
 *
 * The first group takes the place of any answer. The second group changes a good answer (2xx), and waits for one: a
 * challenge that a client answers first does not use it up. Faults befall a request in the order they were set, of a
 * kind only the first: two with `times: 1` befall one request each.
 */
export type Fault =
  /** This status. The default body is an OCI error. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Buffer;
      readonly reasonPhrase?: string;
    }
  /** The request is read, and then: silence, a clean end of the connection, or a reset. */
  | { readonly kind: 'no-answer'; readonly by: BrokenEnd }
  /** The status line and half a header, and then the same. */
  | { readonly kind: 'cut-headers'; readonly by: BrokenEnd }
  /** Before a byte is read: reset, silence (a TLS handshake stalls too), or bytes that are no HTTP and no TLS. */
  | { readonly kind: 'connection'; readonly by: 'reset' | 'stall' | 'garbage'; readonly bytes?: Buffer }
  /** HEAD is refused, GET is not. 405 unless told. */
  | { readonly kind: 'head-refused'; readonly status?: number }
  /** The log-in page of a captive portal: 200 and HTML for everything. */
  | { readonly kind: 'captive-portal' }
  /** Exactly these bytes in place of an HTTP answer, then the end of the connection. */
  | { readonly kind: 'raw'; readonly bytes: string | Buffer }
  /** Time in milliseconds before the first byte of any answer. */
  | { readonly kind: 'delay'; readonly ms: number }

  /** The body stops after so many bytes. Its length was told by Content-Length, or is told by the connection's end. */
  | {
      readonly kind: 'cut-body';
      readonly afterBytes: number;
      readonly by: BrokenEnd;
      readonly framing?: 'length' | 'close';
    }
  /** One bit of the byte at `at`, the middle one unless told, is wrong. */
  | { readonly kind: 'bit-flip'; readonly at?: number }
  /** The body comes at this many bytes a second; the headers come at once. */
  | { readonly kind: 'drip'; readonly bytesPerSecond: number }
  /** Headers are added or replaced; `undefined` takes one away. */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string | readonly string[] | undefined>> }
  | { readonly kind: 'content-type'; readonly value: string }
  | { readonly kind: 'no-digest' }
  /** Says that the body is gzipped, which it is not. */
  | { readonly kind: 'content-encoding'; readonly value?: string }
  /** Another body, with its right length. */
  | { readonly kind: 'body'; readonly body: string | Buffer }
  /** The body is padded with spaces to this many bytes. */
  | { readonly kind: 'oversized'; readonly bytes: number }
  /** The body never ends. */
  | { readonly kind: 'endless' }
  /** `Location` as it stands here; `(n)` numbers the answers from 1. `undefined` leaves it out. */
  | {
      readonly kind: 'redirect';
      readonly location: string | undefined | ((n: number) => string);
      readonly status?: number;
    }
  /** A redirect to the same content at another origin, below `/cdn/`, with a new signature in each answer. */
  | { readonly kind: 'redirect-to-origin'; readonly origin: string }
  /** So many redirects to the same server, each relative, before the answer. Infinity is a loop. */
  | { readonly kind: 'redirect-hops'; readonly hops: number; readonly status?: number }
  /** As many headers of as many bytes in all. */
  | { readonly kind: 'header-bomb'; readonly count: number; readonly bytes: number }
  /** A `Range` is ignored: the whole with 200. */
  | { readonly kind: 'ignore-range' };

export interface FaultScope {
  /** Which requests. Without `server` it means the registry, or the token server for kind `token`. */
  readonly match?: RequestMatcher;
  /** How many requests it befalls; until it is cleared unless told. */
  readonly times?: number;
}

/** A fault that was set. */
export interface FaultHandle {
  /** How many requests, or connections, it has befallen. */
  readonly hits: number;
  clear(): void;
}

interface SetFault {
  readonly fault: Fault;
  readonly match: RequestMatcher;
  remaining: number;
  hits: number;
}

/** Take the place of any answer; nothing but a delay can befall the request as well. */
const REPLACING: ReadonlySet<Fault['kind']> = new Set([
  'status',
  'no-answer',
  'cut-headers',
  'head-refused',
  'captive-portal',
  'raw',
]);

/** Add up when several befall one request. Of every other kind only the first does, so that a series can be set. */
const ADDING: ReadonlySet<Fault['kind']> = new Set(['delay', 'headers']);

/** The faults of one upstream, in the order they were set. */
export class FaultList {
  #faults: SetFault[] = [];

  add(fault: Fault, scope: FaultScope): FaultHandle {
    const server = scope.match?.kind === 'token' ? {} : { server: 'registry' as const };
    const entry: SetFault = {
      fault,
      match: { ...server, ...scope.match },
      remaining: scope.times ?? Number.POSITIVE_INFINITY,
      hits: 0,
    };
    this.#faults.push(entry);
    return {
      get hits() {
        return entry.hits;
      },
      clear: () => {
        this.#faults = this.#faults.filter((other) => other !== entry);
      },
    };
  }

  clear(): void {
    this.#faults = [];
  }

  /** What becomes of a new connection to a server. */
  fateOfConnection(server: UpstreamRequest['server']): ConnectionFate | undefined {
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (fault.kind !== 'connection' || entry.match.server !== server || entry.remaining <= 0) continue;
      use(entry);
      return fault.by === 'garbage'
        ? { by: 'garbage', bytes: fault.bytes ?? Buffer.from('220 mail.example.test ESMTP\r\n') }
        : { by: fault.by };
    }
    return undefined;
  }

  /** True when the `Range` of this request is to be ignored. */
  ignoresRange(request: UpstreamRequest): boolean {
    const entry = this.#matching(request).find(({ fault }) => fault.kind === 'ignore-range');
    if (entry === undefined || request.headers.range === undefined) return false;
    use(entry);
    return true;
  }

  /** The answer that goes out in place of the one that was meant. */
  apply(request: UpstreamRequest, plan: AnswerPlan): AnswerPlan {
    let changed = plan;
    let replaced = false;
    const seen = new Set<Fault['kind']>();
    for (const entry of this.#matching(request)) {
      const { kind } = entry.fault;
      if (replaced && kind !== 'delay') continue;
      if (seen.has(kind) && !ADDING.has(kind)) continue;
      const good = changed.status >= 200 && changed.status <= 299;
      if (!good && kind !== 'delay' && !REPLACING.has(kind)) continue;
      const next = applyFault(entry.fault, request, changed, entry.hits + 1);
      if (next === undefined) continue;
      use(entry);
      seen.add(kind);
      replaced ||= REPLACING.has(kind);
      changed = next;
    }
    return changed;
  }

  #matching(request: UpstreamRequest): readonly SetFault[] {
    return this.#faults.filter((entry) => entry.remaining > 0 && matchesRequest(entry.match, request));
  }
}

function use(entry: SetFault): void {
  entry.remaining -= 1;
  entry.hits += 1;
}

/** The plan with the fault in it; `undefined` when the fault does not concern this request. */
function applyFault(fault: Fault, request: UpstreamRequest, plan: AnswerPlan, n: number): AnswerPlan | undefined {
  switch (fault.kind) {
    case 'status':
      return statusPlan(fault, plan);
    case 'no-answer':
      return { ...plan, noAnswer: fault.by };
    case 'cut-headers':
      return { ...plan, cutHeaders: fault.by };
    case 'head-refused':
      return request.method === 'HEAD' ? statusPlan({ status: fault.status ?? 405 }, plan) : undefined;
    case 'captive-portal':
      return statusPlan({ status: 200, headers: { 'Content-Type': 'text/html' }, body: PORTAL_PAGE }, plan);
    case 'raw':
      return { ...plan, raw: Buffer.from(fault.bytes) };
    case 'delay':
      return { ...plan, delayMs: (plan.delayMs ?? 0) + fault.ms };
    case 'cut-body':
      if (request.method === 'HEAD') return undefined;
      return { ...plan, cutBody: fault, ...(fault.framing === undefined ? {} : { framing: fault.framing }) };
    case 'bit-flip':
      return plan.body.byteLength === 0 ? undefined : { ...plan, body: flipBit(plan.body, fault.at) };
    case 'drip':
      return { ...plan, bytesPerSecond: fault.bytesPerSecond };
    case 'headers':
      return withHeaders(plan, fault.headers);
    case 'content-type':
      return withHeaders(plan, { 'Content-Type': fault.value });
    case 'no-digest':
      return withHeaders(plan, { 'Docker-Content-Digest': undefined });
    case 'content-encoding':
      return withHeaders(plan, { 'Content-Encoding': fault.value ?? 'gzip' });
    case 'body':
      return { ...plan, body: Buffer.from(fault.body) };
    case 'oversized':
      return { ...plan, body: Buffer.concat([plan.body, Buffer.alloc(fault.bytes, ' ')]).subarray(0, fault.bytes) };
    case 'endless':
      return { ...plan, endless: true };
    case 'redirect':
      return redirectPlan(typeof fault.location === 'function' ? fault.location(n) : fault.location, fault.status);
    case 'redirect-to-origin':
      return redirectPlan(`${fault.origin}/cdn${request.path.replace(/^\/v2/, '')}?signature=${n}`, 307);
    case 'redirect-hops':
      return hopPlan(request, fault.hops, fault.status);
    case 'header-bomb':
      return withHeaders(plan, headerBomb(fault.count, fault.bytes));
    case 'connection':
    case 'ignore-range':
      return undefined;
  }
}

const PORTAL_PAGE = '<!doctype html><title>Log in to this network</title><form><input name="room"></form>';

function statusPlan(fault: Omit<Extract<Fault, { kind: 'status' }>, 'kind'>, plan: AnswerPlan): AnswerPlan {
  const { delayMs } = plan;
  const body = fault.body ?? JSON.stringify({ errors: [{ code: 'UNKNOWN', message: 'a fault of the test' }] });
  return {
    status: fault.status,
    headers: { 'Content-Type': 'application/json', ...fault.headers },
    body: Buffer.from(body),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(fault.reasonPhrase === undefined ? {} : { reasonPhrase: fault.reasonPhrase }),
  };
}

function redirectPlan(location: string | undefined, status = 307): AnswerPlan {
  return { status, headers: location === undefined ? {} : { Location: location }, body: Buffer.alloc(0) };
}

/** The hops are counted in the query, so that two clients at once do not disturb each other. */
function hopPlan(request: UpstreamRequest, hops: number, status: number | undefined): AnswerPlan | undefined {
  const url = new URL(request.path, 'http://upstream.invalid');
  const done = Number(url.searchParams.get('hop') ?? 0);
  if (done >= hops) return undefined;
  url.searchParams.set('hop', String(done + 1));
  return redirectPlan(`${url.pathname}${url.search}`, status);
}

function withHeaders(
  plan: AnswerPlan,
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
): AnswerPlan {
  const headers = { ...plan.headers };
  for (const [name, value] of Object.entries(changes)) {
    for (const key of Object.keys(headers)) {
      if (key.toLowerCase() === name.toLowerCase()) delete headers[key];
    }
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : [...value];
  }
  return { ...plan, headers };
}

function headerBomb(count: number, bytes: number): Record<string, string> {
  const filler = 'x'.repeat(Math.max(1, Math.floor(bytes / count) - 'X-Bomb-0000: \r\n'.length));
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`X-Bomb-${String(n).padStart(4, '0')}`, filler]));
}

function flipBit(body: Buffer, at = Math.floor(body.byteLength / 2)): Buffer {
  const flipped = Buffer.from(body);
  flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
  return flipped;
}
