import { Readable } from 'node:stream';
import {
  bareMediaType,
  type Clock,
  type Digest,
  formatReference,
  isGenericMediaType,
  isManifestMediaType,
  isSchema1MediaType,
  MANIFEST_ACCEPT,
  OCI_INDEX,
  type ProxyCacheSettings,
  parseDigest,
  type Reference,
  type RepositoryName,
} from '@breakwater/registry-core';
import type { AuthorizationScope, Authorizations } from './authorization.js';
import { parseContentRange } from './content-range.js';
import type { Deadlines } from './deadlines.js';
import { type UpstreamEndpoint, upstreamEndpoint } from './endpoint.js';
import { nextLink } from './next-link.js';
import { parseRateLimit, type RateLimit } from './rate-limit.js';
import { discard, readBody } from './read-body.js';
import { type FollowedResponse, sendFollowing } from './redirects.js';
import type { RefusedHeads } from './refused-heads.js';
import { parseRetryAfter } from './retry-after.js';
import type { Transport, UpstreamResponse } from './transport.js';
import { atOrigin, ofContent, UpstreamError } from './upstream-error.js';

/** What HEAD of a manifest told. `digest` is absent when the upstream does not say, or does not answer HEAD. */
export interface UpstreamManifestHead {
  readonly digest: Digest | undefined;
  /** Whether the upstream said that there is none. Who has a copy asks with GET, whose body says what it is that is not there. */
  readonly isMissing: boolean;
}

/** A manifest as it came, not parsed yet. */
export interface UpstreamManifest {
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
  /** `Docker-Content-Digest`, if it was sent and is one. */
  readonly claimedDigest: Digest | undefined;
}

/** A blob, or the rest of one, that is about to arrive. Whoever has it reads or destroys the body. */
export interface UpstreamBlob {
  readonly body: Readable;
  /** Where in the blob the body begins: 0 from a server that ignores `Range`, and then nowhere near what was asked for. */
  readonly from: number;
  /** Size of the whole blob in bytes, if the upstream says. */
  readonly size: number | undefined;
  /** The strong `ETag`, if there is one: parts of different ones are not of the same body. */
  readonly etag: string | undefined;
  /** The origin that sends it: that of a content server, as a rule, behind a redirect. */
  readonly origin: string;
}

/** A page of an upstream's tag list. `next` is the `last` to go on with. */
export interface UpstreamTagPage {
  readonly tags: readonly string[];
  readonly next: string | undefined;
}

/** A page of what refers to a manifest, not parsed yet. `next` is the query that asks for the page after it. */
export interface UpstreamReferrers {
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
  readonly next?: string;
  /** Whether the upstream says that it left out what is not of the type asked for. */
  readonly filtered: boolean;
}

/** Hears of the rate limit that an upstream tells of. */
export type RateLimitListener = (settings: ProxyCacheSettings, rateLimit: RateLimit) => void;

interface ContentRequest {
  readonly method: 'GET' | 'HEAD';
  readonly repository: string | undefined;
  /** Below `/v2/`, made of validated parts only. */
  readonly path: string;
  readonly accept?: string;
  readonly range?: string;
  readonly signal: AbortSignal;
}

const HEAD_UNANSWERED: ReadonlySet<number> = new Set([400, 405, 501]);
/** Of a 404 only the body says what is not there (distribution-spec, "Error codes"), and HEAD has none. */
const HEAD_SAYS_TOO_LITTLE: ReadonlySet<number> = new Set([404, 410]);
/** What registries without referrers say to a request for them: 404 by the distribution-spec, the rest by their own lights. */
const NO_REFERRERS: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 501]);
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_TAG_PAGE_BYTES = 4 * 1024 * 1024;

/** One organization's upstream registry. Every method throws UpstreamError. */
export class UpstreamRegistry {
  readonly endpoint: UpstreamEndpoint;

  constructor(
    private readonly settings: ProxyCacheSettings,
    private readonly transport: Transport,
    private readonly authorizations: Authorizations,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
    private readonly refusedHeads: RefusedHeads,
    private readonly maxManifestBytes: number,
    private readonly onRateLimit: RateLimitListener = () => undefined,
  ) {
    this.endpoint = upstreamEndpoint(settings);
  }

  /**
   * Asks for a manifest's digest, which costs no pull of a rate limit (P12). Where HEAD is known not to be answered, nothing
   * is asked. That it is not there is for GET to say.
   */
  async headManifest(name: RepositoryName, reference: Reference, signal: AbortSignal): Promise<UpstreamManifestHead> {
    const { origin } = this.endpoint;
    if (this.refusedHeads.has(origin)) return { digest: undefined, isMissing: false };
    const repository = this.endpoint.repositoryPath(name);
    const path = `${repository}/manifests/${formatReference(reference)}`;
    const { response } = await this.#send({
      method: 'HEAD',
      repository,
      path,
      accept: MANIFEST_ACCEPT,
      signal,
    });
    // Registries that do not answer HEAD say so in several ways; GET decides then.
    const unanswered = HEAD_UNANSWERED.has(response.status);
    const isMissing = HEAD_SAYS_TOO_LITTLE.has(response.status);
    const isForGet = unanswered || isMissing;
    if (response.status !== 200 && !isForGet) throw await this.#refusal(response, signal);
    discard(response.body);
    if (unanswered) this.refusedHeads.noteRefused(origin, path);
    if (isForGet) return { digest: undefined, isMissing };
    assertNotEncoded(response);
    assertManifestType(response);
    return { digest: parseDigest(response.header('docker-content-digest') ?? ''), isMissing };
  }

  async getManifest(name: RepositoryName, reference: Reference, signal: AbortSignal): Promise<UpstreamManifest> {
    const repository = this.endpoint.repositoryPath(name);
    const path = `${repository}/manifests/${formatReference(reference)}`;
    const { response } = await this.#send({
      method: 'GET',
      repository,
      path,
      accept: MANIFEST_ACCEPT,
      signal,
    });
    if (response.status !== 200) throw await this.#refusal(response, signal);
    assertNotEncoded(response);
    assertManifestType(response);
    this.refusedHeads.noteAnswered(this.endpoint.origin, path);
    const bytes = await readBody(response.body, {
      maxBytes: this.maxManifestBytes,
      idleMs: this.deadlines.idleMs,
      signal,
    });
    return {
      bytes,
      contentType: response.header('content-type'),
      claimedDigest: parseDigest(response.header('docker-content-digest') ?? ''),
    };
  }

  /** Size of a blob in bytes, if the upstream says, and answers HEAD. */
  async headBlob(name: RepositoryName, digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    if (this.refusedHeads.has(this.endpoint.origin)) return undefined;
    const { response } = await this.#sendForBlob('HEAD', name, digest, signal);
    if (HEAD_UNANSWERED.has(response.status)) {
      discard(response.body);
      return undefined;
    }
    if (response.status !== 200) throw await this.#refusal(response, signal);
    discard(response.body);
    assertNotEncoded(response);
    return contentLength(response);
  }

  /**
   * Asks for a blob from byte `from` on. The answer may begin elsewhere: look at its `from`. A blob that has no byte there
   * because that is its end has an empty body.
   */
  async getBlob(name: RepositoryName, digest: Digest, signal: AbortSignal, from = 0): Promise<UpstreamBlob> {
    const { response, origin } = await this.#sendForBlob('GET', name, digest, signal, from);
    const part = from === 0 ? undefined : parseContentRange(response.header('content-range'));
    if (response.status === 416 && part?.size === from) {
      discard(response.body);
      return { body: Readable.from([]), from, size: from, etag: undefined, origin };
    }
    if (response.status !== 200 && (response.status !== 206 || part?.start === undefined)) {
      if (from > 0 && (response.status === 206 || response.status === 416)) throw noRange(response);
      throw atOrigin(await this.#refusal(response, signal), origin);
    }
    assertNotEncoded(response);
    const etag = strongTag(response.header('etag'));
    return response.status === 200
      ? { body: response.body, from: 0, size: contentLength(response), etag, origin }
      : { body: response.body, from: part?.start ?? 0, size: part?.size, etag, origin };
  }

  async listTags(
    name: RepositoryName,
    page: { readonly limit: number | undefined; readonly last: string | undefined },
    signal: AbortSignal,
  ): Promise<UpstreamTagPage> {
    const repository = this.endpoint.repositoryPath(name);
    const query = new URLSearchParams();
    if (page.limit !== undefined) query.set('n', String(page.limit));
    if (page.last !== undefined) query.set('last', page.last);
    const suffix = query.size === 0 ? '' : `?${query}`;
    const path = `${repository}/tags/list${suffix}`;
    const { response } = await this.#send({ method: 'GET', repository, path, accept: 'application/json', signal });
    if (response.status !== 200) throw await this.#refusal(response, signal);
    assertNotEncoded(response);
    const limits = { maxBytes: MAX_TAG_PAGE_BYTES, idleMs: this.deadlines.idleMs, signal };
    const tags = readTags(await readBody(response.body, limits));
    return { tags, next: nextTag(response.header('link'), tags, page.last) };
  }

  /**
   * `query` is what a page before this one gave as `next`, or the filter of the first one. `undefined` when the registry
   * has no referrers. What else it answers there says nothing about the rest of it.
   */
  async listReferrers(
    name: RepositoryName,
    subject: Digest,
    query: string,
    signal: AbortSignal,
  ): Promise<UpstreamReferrers | undefined> {
    const repository = this.endpoint.repositoryPath(name);
    // Written anew, so that nothing in it can end the query.
    const asked = new URLSearchParams(query).toString();
    const path = `${repository}/referrers/${subject}${asked === '' ? '' : `?${asked}`}`;
    const { response } = await this.#send({ method: 'GET', repository, path, accept: OCI_INDEX, signal });
    if (NO_REFERRERS.has(response.status)) {
      discard(response.body);
      return undefined;
    }
    if (response.status !== 200) throw ofContent(await this.#refusal(response, signal));
    assertNotEncoded(response);
    assertNoWebPage(response);
    const type = bareMediaType(response.header('content-type'));
    if (type !== OCI_INDEX && !isGenericMediaType(type)) {
      discard(response.body);
      return undefined;
    }
    const limits = { maxBytes: this.maxManifestBytes, idleMs: this.deadlines.idleMs, signal };
    const bytes = await readBody(response.body, limits);
    const next = nextReferrers(response.header('link'), subject, asked);
    const filters = (response.header('oci-filters-applied') ?? '').split(',').map((filter) => filter.trim());
    return {
      bytes,
      contentType: response.header('content-type'),
      ...(next === undefined ? {} : { next }),
      filtered: filters.includes('artifactType'),
    };
  }

  /** Asks `/v2/`, with the credentials if there are any. Resolves to whether the registry wanted to know who asks. */
  async ping(signal: AbortSignal): Promise<'open' | 'authorized'> {
    const url = this.#url('');
    const asking = { url, method: 'GET', caPem: this.settings.upstreamCaPem, signal } as const;
    const first = await this.transport.send({ ...asking, headers: {} });
    if (first.status !== 200 && first.status !== 401) throw await this.#refusal(first, signal);
    assertNoWebPage(first);
    discard(first.body);
    if (first.status === 200) return 'open';
    const scope = { settings: this.settings, origin: this.endpoint.origin, repository: undefined };
    const authorization = await this.authorizations.answer(scope, first.header('www-authenticate'), undefined, signal);
    if (authorization === undefined) throw new UpstreamError('denied', 'the upstream wants credentials');
    const second = await this.transport.send({ ...asking, headers: { authorization } });
    if (second.status !== 200) throw await this.#refusal(second, signal);
    discard(second.body);
    return 'authorized';
  }

  /**
   * Content servers are reached by signed addresses, whose signatures expire (F74): one that denies is asked once more, by
   * a new address. If it denies again it is out of order, because the registry itself has let us in.
   */
  async #sendForBlob(
    method: 'GET' | 'HEAD',
    name: RepositoryName,
    digest: Digest,
    signal: AbortSignal,
    from = 0,
  ): Promise<FollowedResponse> {
    const repository = this.endpoint.repositoryPath(name);
    const range = from === 0 ? {} : { range: `bytes=${from}-` };
    const request = { method, repository, path: `${repository}/blobs/${digest}`, signal, ...range };
    const first = await this.#send(request);
    if (!this.#isDeniedElsewhere(first)) return first;
    discard(first.response.body);
    const second = await this.#send(request);
    if (!this.#isDeniedElsewhere(second)) return second;
    discard(second.response.body);
    const { status } = second.response;
    throw new UpstreamError('server_error', `the content server of the upstream answered ${status}`, {
      upstreamStatus: status,
    });
  }

  #isDeniedElsewhere({ response, origin }: FollowedResponse): boolean {
    return origin !== this.endpoint.origin && (response.status === 401 || response.status === 403);
  }

  /**
   * Sends with what authorization there is, and once more after answering a challenge; a second 401 is a refusal, unless
   * it answers a token that another process had fetched.
   */
  async #send(request: ContentRequest): Promise<FollowedResponse> {
    const scope: AuthorizationScope = {
      settings: this.settings,
      origin: this.endpoint.origin,
      repository: request.repository,
    };
    const known = await this.authorizations.current(scope, request.signal);
    const first = await this.#sendOnce(request, known);
    if (first.response.status !== 401 || first.origin !== this.endpoint.origin) return first;
    discard(first.response.body);
    const challenge = first.response.header('www-authenticate');
    const authorization = await this.authorizations.answer(scope, challenge, known, request.signal);
    if (authorization === undefined) {
      throw new UpstreamError('denied', 'the upstream wants credentials', { upstreamStatus: 401 });
    }
    const second = await this.#sendOnce(request, authorization);
    const refused = second.response.status === 401 && second.origin === this.endpoint.origin;
    if (!refused || !this.authorizations.isBorrowed(scope, authorization)) return second;
    const again = second.response.header('www-authenticate');
    const renewed = await this.authorizations.answer(scope, again, authorization, request.signal);
    if (renewed === undefined) return second;
    discard(second.response.body);
    return this.#sendOnce(request, renewed);
  }

  async #sendOnce(request: ContentRequest, authorization: string | undefined): Promise<FollowedResponse> {
    const followed = await sendFollowing(this.transport, {
      url: this.#url(request.path),
      method: request.method,
      headers: {
        ...(request.accept === undefined ? {} : { accept: request.accept }),
        ...(request.range === undefined ? {} : { range: request.range }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      caPem: this.settings.upstreamCaPem,
      signal: request.signal,
    });
    const { response } = followed;
    const told = parseRateLimit(response.header('ratelimit-limit'), response.header('ratelimit-remaining'));
    if (told !== undefined && followed.origin === this.endpoint.origin) this.onRateLimit(this.settings, told);
    return followed;
  }

  #url(path: string): URL {
    return new URL(`/v2/${path}`, this.endpoint.origin);
  }

  /** What an answer other than the one hoped for means. */
  async #refusal(response: UpstreamResponse, signal: AbortSignal): Promise<UpstreamError> {
    const upstreamStatus = response.status;
    const retryAfterMs = parseRetryAfter(response.header('retry-after'), this.clock.now());
    const facts = { upstreamStatus, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    if (upstreamStatus === 404 || upstreamStatus === 410) {
      const unknown = await this.#unknown(response, signal);
      return new UpstreamError('removed', 'the upstream does not know it', { ...facts, unknown });
    }
    discard(response.body);
    if (upstreamStatus === 401 || upstreamStatus === 403) {
      return new UpstreamError('denied', 'the upstream denied access', facts);
    }
    const failureClass = upstreamStatus >= 500 ? 'server_error' : 'protocol';
    return new UpstreamError(failureClass, `the upstream answered ${upstreamStatus}`, facts);
  }

  async #unknown(response: UpstreamResponse, signal: AbortSignal): Promise<'repository' | 'content'> {
    try {
      const limits = { maxBytes: MAX_ERROR_BYTES, idleMs: this.deadlines.idleMs, signal };
      const body = (await readBody(response.body, limits)).toString('utf8');
      return /"code"\s*:\s*"NAME_UNKNOWN"/.test(body) ? 'repository' : 'content';
    } catch {
      return 'content';
    }
  }
}

/** A 200 whose type cannot be a manifest's is no answer of a registry: a captive portal, a login page (F44). */
function assertManifestType(response: UpstreamResponse): void {
  const type = bareMediaType(response.header('content-type'));
  if (isManifestMediaType(type) || isGenericMediaType(type) || isSchema1MediaType(type)) return;
  discard(response.body);
  throw new UpstreamError('protocol', 'the upstream answered with something that is not a manifest');
}

/** The log-in page of a captive portal answers everything with 200; a registry has no pages (F44). */
function assertNoWebPage(response: UpstreamResponse): void {
  if (bareMediaType(response.header('content-type')) !== 'text/html') return;
  discard(response.body);
  throw new UpstreamError('protocol', 'the upstream answered with a web page');
}

function assertNotEncoded(response: UpstreamResponse): void {
  const encoding = response.header('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  response.body.destroy();
  throw new UpstreamError('protocol', 'the upstream encoded the content, which it was asked not to');
}

function contentLength(response: UpstreamResponse): number | undefined {
  const header = response.header('content-length');
  return header !== undefined && /^[0-9]{1,15}$/.test(header) ? Number(header) : undefined;
}

function strongTag(header: string | undefined): string | undefined {
  return header?.startsWith('"') === true ? header : undefined;
}

function readTags(body: Buffer): readonly string[] {
  try {
    const { tags } = JSON.parse(body.toString('utf8')) as { tags?: unknown };
    if (tags === null) return [];
    if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) return tags;
  } catch {
    // Falls through: whatever it is, it is no list of tags.
  }
  throw new UpstreamError('protocol', 'the upstream did not answer with a list of tags');
}

/**
 * Where the next page begins (distribution-spec, "Listing tags"): the `last` of the link, else the last tag we got.
 * @throws UpstreamError class `protocol` when a client that went on would not get on
 */
function nextTag(link: string | undefined, tags: readonly string[], last: string | undefined): string | undefined {
  const target = nextLink(link);
  if (target === undefined) return undefined;
  const next = target.searchParams.get('last') ?? tags.at(-1);
  if (next === undefined || next === last) throw noWayOn();
  return next;
}

/** The query of the next page of referrers, which is the upstream's own affair. */
function nextReferrers(link: string | undefined, subject: Digest, asked: string): string | undefined {
  const target = nextLink(link);
  if (target === undefined) return undefined;
  const next = target.searchParams.toString();
  const isSameList = target.pathname.replace(/%3a/i, ':').endsWith(`/referrers/${subject}`);
  if (!isSameList || next === asked) throw noWayOn();
  return next;
}

function noRange(response: UpstreamResponse): UpstreamError {
  discard(response.body);
  const facts = { upstreamStatus: response.status, isOfContent: true };
  return new UpstreamError('protocol', 'the upstream does not go on where it was asked to', facts);
}

function noWayOn(): UpstreamError {
  return new UpstreamError('protocol', 'the upstream links to a next page that leads nowhere', { isOfContent: true });
}
