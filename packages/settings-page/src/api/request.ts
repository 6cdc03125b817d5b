import { ApiFailure, type FieldProblem, isApiFailure } from './api-failure.js';
import type { Session } from './shapes.js';

/** What the client needs of the page that it runs in. */
export interface ApiOptions {
  /** What stands before `/api/v1`; default nothing, so that the page and the API have one origin. */
  readonly baseUrl?: string;
  /** Headers beside ours, an `Authorization` of the host say; asked before every request. */
  readonly headers?: () => Readonly<Record<string, string>>;
  /** Default the browser's own. */
  readonly fetch?: typeof fetch;
}

/** An answer with a status of success. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Sends a request with what the API asks of browsers. */
export type SendRequest = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<ApiAnswer>;

/** The `error_type` of a write whose token is not that of the session. */
const STALE_TOKEN = 'invalid_csrf_token';
const UNSAFE = new Set(['POST', 'PUT', 'DELETE']);
/** Time for one request; a check of an upstream may take a while. Milliseconds. */
const TIMEOUT_MS = 60_000;

/** The way to the API. */
export interface Sender {
  readonly send: SendRequest;
  /** Writes go with this session from now on. */
  begin(session: Session): Session;
  /** Asks whose session it is. @throws ApiFailure with status 401 when it is nobody's, or not the one's who was here before */
  resume(): Promise<Session>;
}

/**
 * Makes the way to the API: JSON both ways, and the session's token against forged requests on every request that changes
 * something. A token that is not right any more, because another tab has signed in anew, is fetched and the request sent
 * again, once: but only for the person that this page is for, since a write of one person is never another's.
 */
export function createSender(options: ApiOptions): Sender {
  const { baseUrl = '', headers: ownHeaders = () => ({}) } = options;
  let current: Session | undefined;

  const send: SendRequest = async (...request) => {
    try {
      return await attempt(...request);
    } catch (error) {
      if (!isApiFailure(error) || error.type !== STALE_TOKEN || current === undefined) throw error;
      await resume();
      return attempt(...request);
    }
  };

  async function resume(): Promise<Session> {
    const { body } = await attempt('GET', '/api/v1/session');
    const session = body as Session;
    if (current !== undefined && session.username !== current.username) throw new ApiFailure(401, '');
    current = session;
    return session;
  }

  async function attempt(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const token = current?.csrf_token ?? undefined;
    const fetcher = options.fetch ?? globalThis.fetch;
    const response = await fetcher(`${baseUrl}${path}`, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        accept: 'application/json',
        'x-requested-with': 'XMLHttpRequest',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(UNSAFE.has(method) && token !== undefined ? { 'x-csrf-token': token } : {}),
        ...ownHeaders(),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new ApiFailure(0, error instanceof Error ? error.message : String(error));
    });
    const parsed = await bodyOf(response);
    if (!response.ok) throw refusal(response, parsed);
    return { status: response.status, headers: response.headers, body: parsed };
  }

  return {
    send,
    resume,
    begin(session) {
      current = session;
      return session;
    },
  };
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text().catch(() => '');
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    // A proxy before the registry answers with pages of its own.
    return undefined;
  }
}

function refusal(response: Response, body: unknown): ApiFailure {
  const { detail, error_message, error_type, problems, reason } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const text = [detail, error_message].find((each) => typeof each === 'string') as string | undefined;
  return new ApiFailure(
    response.status,
    text ?? '',
    Array.isArray(problems) ? (problems as FieldProblem[]) : [],
    typeof reason === 'string' ? reason : undefined,
    response.headers.get('x-request-id') ?? undefined,
    typeof error_type === 'string' ? error_type : undefined,
  );
}
