import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import type { Clock } from '@breakwater/registry-core';
import axios, { AxiosHeaders, type AxiosInstance, type AxiosResponse } from 'axios';
import axiosRetry from 'axios-retry';
import type { Deadlines } from './deadlines.js';
import type { GuardedAgents } from './guarded-agent.js';
import { Hops } from './hops.js';
import { discard } from './read-body.js';
import { parseRetryAfter } from './retry-after.js';
import { RetryBudget } from './retry-budget.js';
import { atOrigin, isUpstreamError, UpstreamError } from './upstream-error.js';

/** One request to one host. Headers are what is sent beside `Host` and what every request tells of us. */
export interface UpstreamRequest {
  readonly url: URL;
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM certificates that are trusted for this request beside the usual ones. */
  readonly caPem?: string | undefined;
  readonly signal: AbortSignal;
}

/** An answer whose body has not been read. Whoever gets it reads or destroys the body. */
export interface UpstreamResponse {
  readonly status: number;
  readonly body: Readable;
  /** One header's value; several of a name are joined by commas. */
  header(name: string): string | undefined;
}

/** Sends single requests. Redirects, credentials and what an answer means are for others. */
export interface Transport {
  /** @throws UpstreamError of classes connect, dns, tls, timeout, blocked, protocol, server_error, rate_limited */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
}

/** Attempts per request, the first one included (P4). */
const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;
const MAX_HEADER_BYTES = 16 * 1024;
const USER_AGENT = 'breakwater';

/** The client of node, told what axios has no option for: the process may have been started with another bound. */
const boundedHeaders = {
  request(options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const { request } = options.protocol === 'https:' ? https : http;
    return request(Object.assign(options, { maxHeaderSize: MAX_HEADER_BYTES }), onResponse);
  },
};

/** The transport over axios; axios-retry repeats what is safe to repeat, nobody else does (P7). */
export class AxiosTransport implements Transport {
  readonly #axios: AxiosInstance;

  constructor(
    private readonly agents: GuardedAgents,
    private readonly deadlines: Pick<Deadlines, 'headersMs'>,
    private readonly clock: Clock,
    private readonly retries = new RetryBudget(),
    private readonly hops = new Hops(),
    onRetry: (origin: string) => void = () => undefined,
  ) {
    this.#axios = axios.create({
      adapter: 'http',
      httpAgent: agents.http,
      proxy: false,
      maxRedirects: 0,
      allowAbsoluteUrls: false,
      transport: boundedHeaders,
      decompress: false,
      responseType: 'stream',
      transitional: { clarifyTimeoutError: true },
      validateStatus: (status) => !isFailure(status),
    });
    axiosRetry(this.#axios, {
      retries: MAX_ATTEMPTS - 1,
      // Asked only while attempts are left; so what is taken of the budget is used.
      retryCondition: (error) =>
        isRepeatable(error.config?.method) && isPassing(error) && this.retries.takeRetry(originOf(error.config?.url)),
      retryDelay: fullJitter,
      onRetry: (_count, error, { url }) => {
        onRetry(originOf(url));
        drop(error.response);
      },
    });
  }

  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    this.retries.noteRequest(request.url.origin);
    try {
      const response = await this.#axios.request<Readable>({
        url: request.url.href,
        method: request.method,
        headers: new AxiosHeaders({
          'User-Agent': USER_AGENT,
          ...request.headers,
          'Accept-Encoding': 'identity',
          Via: this.hops.via,
        }),
        ...(request.body === undefined ? {} : { data: request.body }),
        httpsAgent: this.agents.https(request.caPem),
        signal: request.signal,
        timeout: this.deadlines.headersMs,
      });
      return readable(response);
    } catch (error) {
      throw atOrigin(this.#failure(error, request.signal), request.url.origin);
    }
  }

  /** Converted here, at the boundary, because an AxiosError carries headers and with them credentials. */
  #failure(error: unknown, signal: AbortSignal): UpstreamError {
    const response = responseOf(error);
    if (response !== undefined) {
      drop(response);
      return statusFailure(response.status, parseRetryAfter(headerOf(response, 'retry-after'), this.clock.now()));
    }
    const own = ownFailure(error);
    if (own !== undefined) return own;
    if (signal.aborted || codeOf(error) === 'ETIMEDOUT' || codeOf(error) === 'ECONNABORTED') {
      return new UpstreamError('timeout', 'the upstream did not answer in time');
    }
    const code = codeOf(error);
    if (code.startsWith('HPE_')) return new UpstreamError('protocol', 'the upstream did not speak HTTP');
    return new UpstreamError('connect', 'the connection to the upstream broke', { cause: new Error(code) });
  }
}

function statusFailure(status: number, retryAfterMs: number | undefined): UpstreamError {
  const options = { upstreamStatus: status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (status === 429) return new UpstreamError('rate_limited', 'the rate limit of the upstream is reached', options);
  if (status === 408) return new UpstreamError('timeout', 'the upstream gave up waiting for the request', options);
  return new UpstreamError('server_error', `the upstream answered ${status}`, options);
}

function readable(response: AxiosResponse<Readable>): UpstreamResponse {
  // A body that is destroyed, or breaks after nobody reads it any more, must not bring the process down.
  response.data.on('error', () => undefined);
  return {
    status: response.status,
    body: response.data,
    header: (name) => headerOf(response, name),
  };
}

function headerOf(response: AxiosResponse, name: string): string | undefined {
  const value: unknown = (response.headers as Record<string, unknown>)[name];
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' ? value : undefined;
}

function drop(response: AxiosResponse | undefined): void {
  const body = response?.data as Readable | undefined;
  if (body !== undefined) discard(body);
}

function isRepeatable(method: string | undefined): boolean {
  return method === undefined || ['get', 'head'].includes(method.toLowerCase());
}

/** 501 says that a method is not known, which the next attempt does not change; it is for the caller to understand. */
function isFailure(status: number): boolean {
  return (status >= 500 && status !== 501) || status === 408 || status === 429;
}

/** Broken connections and 5xx may pass; a deadline that fired, a refused address and a bad certificate will not. */
function isPassing(error: unknown): boolean {
  const response = responseOf(error);
  if (response !== undefined) return response.status >= 500 || response.status === 408;
  const own = ownFailure(error);
  if (own !== undefined) return own.failureClass === 'connect' || own.failureClass === 'dns';
  const code = codeOf(error);
  return ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code);
}

function originOf(url: string | undefined): string {
  return url === undefined ? '' : new URL(url).origin;
}

function fullJitter(retryCount: number): number {
  return Math.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** retryCount);
}

function responseOf(error: unknown): AxiosResponse | undefined {
  return (error as { response?: AxiosResponse } | null)?.response;
}

/** A failure of our own dialling, which axios wraps. */
function ownFailure(error: unknown): UpstreamError | undefined {
  for (let each: unknown = error, depth = 0; each !== undefined && depth < 4; depth += 1) {
    if (isUpstreamError(each) && 'failureClass' in each) return each;
    each = (each as { cause?: unknown } | null)?.cause;
  }
  return undefined;
}

function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  return String(code ?? cause?.code ?? 'UNKNOWN');
}
