import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './answer.js';

/** A registry, and the name below which checks make repositories. */
export interface Registry {
  /** `http://host:port` */
  readonly url: string;
  /** `<organization>` or `<organization>/<more>` */
  readonly prefix: string;
  readonly username?: string;
  readonly password?: string;
  /** What it is a cache of, and what the prefix is called there. */
  readonly cacheOf?: { readonly host: string; readonly prefix: string };
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or parts of them, which are sent with the transfer encoding "chunked". */
  readonly body?: Uint8Array | readonly Uint8Array[];
}

const MOST_ATTEMPTS = 4;
const LONGEST_WAIT_MS = 5_000;

/** Looks at every answer of a run. */
export type AnswerObserver = (answer: Answer) => void;

/**
 * Requests to one repository of a registry, with Basic credentials or a token of the server that the registry names
 * (Docker's token protocol). Shares no code with the product.
 */
export class Session {
  readonly #registry: Registry;
  readonly #observe: AnswerObserver;
  #token: string | undefined;

  constructor(
    registry: Registry,
    /** The repository's path below the prefix. */
    readonly path: string,
    observe: AnswerObserver = () => undefined,
  ) {
    this.#registry = registry;
    this.#observe = observe;
  }

  /** The repository's whole name. */
  get name(): string {
    return `${this.#registry.prefix}/${this.path}`;
  }

  get host(): string {
    return new URL(this.#registry.url).host;
  }

  /** What the repository is called by the registry that this one is a cache of; `undefined` when it is none. */
  get upstream(): { readonly host: string; readonly name: string } | undefined {
    const { cacheOf } = this.#registry;
    return cacheOf && { host: cacheOf.host, name: `${cacheOf.prefix}/${this.path}` };
  }

  /** The same registry and another repository. */
  sibling(path: string): Session {
    return new Session(this.#registry, path, this.#observe);
  }

  manifest(reference: string): string {
    return `/v2/${this.name}/manifests/${reference}`;
  }

  blob(digest: string): string {
    return `/v2/${this.name}/blobs/${digest}`;
  }

  uploads(query = ''): string {
    return `/v2/${this.name}/blobs/uploads/${query}`;
  }

  tags(query = ''): string {
    return `/v2/${this.name}/tags/list${query}`;
  }

  referrers(digest: string, query = ''): string {
    return `/v2/${this.name}/referrers/${digest}${query}`;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('GET', path, { headers });
  }

  head(path: string): Promise<Answer> {
    return this.send('HEAD', path);
  }

  /** Sends a request; a challenge for a token is followed once, and a registry that is busy is asked again. */
  async send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    const first = await this.#once(method, path, options);
    const challenge = first.headers.get('www-authenticate');
    const answer =
      first.status === 401 && challenge !== null && (await this.#signIn(challenge))
        ? await this.#once(method, path, options)
        : first;
    this.#observe(answer);
    return answer;
  }

  /** Sends a request as it is, once, whatever is answered. */
  async sendOnce(method: string, path: string, options: SendOptions): Promise<Answer> {
    const answer = await this.#request(method, path, options);
    this.#observe(answer);
    return answer;
  }

  /** A 429 or 503 that says when to come back is no answer yet. */
  async #once(method: string, path: string, options: SendOptions): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#request(method, path, options);
      const seconds = answer.status === 429 || answer.status === 503 ? answer.headers.get('retry-after') : null;
      if (seconds === null || attempt === MOST_ATTEMPTS) return answer;
      await sleep(Math.min(LONGEST_WAIT_MS, 1_000 * (Number(seconds) || 1)));
    }
  }

  async #request(method: string, path: string, options: SendOptions): Promise<Answer> {
    const response = await fetch(new URL(path, this.#registry.url), {
      method,
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        connection: 'close',
        ...this.#authorization(),
        ...options.headers,
      },
      ...bodyOf(options.body),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { request: `${method} ${path}`, status: response.status, headers: response.headers, bytes };
  }

  #authorization(): Readonly<Record<string, string>> {
    if (this.#token !== undefined) return { authorization: `Bearer ${this.#token}` };
    const basic = this.#basic();
    return basic === undefined ? {} : { authorization: basic };
  }

  #basic(): string | undefined {
    const { username, password } = this.#registry;
    if (username === undefined || password === undefined) return undefined;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  async #signIn(challenge: string): Promise<boolean> {
    const parameters = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
    );
    const realm = parameters.get('realm');
    if (!/^bearer /i.test(challenge) || realm === undefined) return false;
    const url = new URL(realm, this.#registry.url);
    const service = parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.append('scope', `repository:${this.name}:pull,push,delete`);
    const scope = parameters.get('scope');
    if (scope !== undefined) url.searchParams.append('scope', scope);
    const basic = this.#basic();
    const response = await fetch(url, {
      headers: { connection: 'close', ...(basic === undefined ? {} : { authorization: basic }) },
    });
    const body = (await response.json()) as { readonly token?: unknown; readonly access_token?: unknown };
    const token = body.token ?? body.access_token;
    if (typeof token !== 'string') return false;
    this.#token = token;
    return true;
  }
}

function bodyOf(body: SendOptions['body']): RequestInit {
  if (body === undefined) return {};
  if (body instanceof Uint8Array) return { body: body as unknown as string };
  const parts = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of body) controller.enqueue(part);
      controller.close();
    },
  });
  // Fetch needs to be told that it gets no whole answer before the whole body is sent.
  return { body: parts, duplex: 'half' } as RequestInit;
}
