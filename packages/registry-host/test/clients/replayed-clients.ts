import { createHash } from 'node:crypto';
import { OCI_INDEX, OCI_MANIFEST } from '@breakwater/registry-core';
import type { ClientSite, State } from './client-site.js';

/**
 * By the name of the repository; by a name without organization, which is the default one's; below a path before `/v2`; by the
 * upstream alone, in `ns`; by the name, with `ns` behind it. What is not a name has to stand for Docker Hub's.
 */
export type WayOfClient = 'name' | 'default' | 'mount' | 'ns' | 'name and ns';

/** How a client that is not here pulls: which requests it sends, with which headers, and what it insists on. */
export interface ReplayedClient {
  readonly client: string;
  readonly userAgent: string;
  /** How it comes to a proxied repository. To a hosted one all of them come by its name. */
  readonly way: WayOfClient;
  /** Whether it asks `/v2/` before anything else. */
  readonly pings: boolean;
  /** How it asks for tokens when it has a password. Without one all of them use GET. */
  readonly tokens: 'GET' | 'POST';
  /** Whose scope it asks for: that of the challenge, that of the name which it knows, or both. */
  readonly scopes: 'challenge' | 'own' | 'both';
  /** What it begins with. */
  readonly begins: 'HEAD' | 'GET' | 'tags';
  readonly accept: string;
  readonly blobHeaders?: Readonly<Record<string, string>>;
  /** Whether it goes on with a part of a blob. */
  readonly ranges?: boolean;
}

const DOCKER_TYPES =
  'application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json';
const EVERY_TYPE = `${DOCKER_TYPES}, ${OCI_MANIFEST}, ${OCI_INDEX}`;
const CONTAINERD_ENCODINGS = { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' };

/** As their sources have it: moby, containerd, go-containerregistry, oras-go, helm, regclient, buildkit. */
export const REPLAYED_CLIENTS: readonly ReplayedClient[] = [
  {
    client: 'docker, graphdriver store',
    userAgent:
      'docker/24.0.7 go/go1.20 git-commit/311b9ff kernel/6.1 os/linux arch/amd64 UpstreamClient(Docker-Client/24.0.7)',
    way: 'default',
    pings: true,
    tokens: 'GET',
    scopes: 'own',
    begins: 'HEAD',
    accept: `${EVERY_TYPE}, application/vnd.docker.distribution.manifest.v1+prettyjws, application/json`,
  },
  {
    client: 'docker, containerd store',
    userAgent: 'docker/29.0.0 go/go1.25 containerd-client/2.1.4',
    way: 'mount',
    pings: true,
    tokens: 'POST',
    scopes: 'both',
    begins: 'HEAD',
    accept: `${EVERY_TYPE}, */*`,
    blobHeaders: CONTAINERD_ENCODINGS,
  },
  {
    client: 'containerd, Kubernetes',
    userAgent: 'containerd/2.1.4',
    way: 'ns',
    pings: false,
    tokens: 'POST',
    scopes: 'both',
    begins: 'HEAD',
    accept: `${EVERY_TYPE}, */*`,
    blobHeaders: CONTAINERD_ENCODINGS,
    ranges: true,
  },
  {
    client: 'containerd, override_path',
    userAgent: 'containerd/2.1.4',
    way: 'name and ns',
    pings: false,
    tokens: 'POST',
    scopes: 'both',
    begins: 'HEAD',
    accept: `${EVERY_TYPE}, */*`,
    blobHeaders: CONTAINERD_ENCODINGS,
    ranges: true,
  },
  {
    client: 'BuildKit',
    userAgent: 'buildkit/v0.25',
    way: 'name and ns',
    pings: false,
    tokens: 'POST',
    scopes: 'both',
    begins: 'HEAD',
    accept: `${EVERY_TYPE}, */*`,
    blobHeaders: CONTAINERD_ENCODINGS,
    ranges: true,
  },
  {
    client: 'crane',
    userAgent: 'crane/v0.20.6 go-containerregistry/v0.20.6',
    way: 'name',
    pings: true,
    tokens: 'GET',
    scopes: 'challenge',
    begins: 'GET',
    accept: `${EVERY_TYPE}, application/vnd.docker.distribution.manifest.v1+json`,
    blobHeaders: { 'accept-encoding': 'gzip' },
  },
  {
    client: 'oras',
    userAgent: 'oras/1.3.0',
    way: 'name',
    pings: false,
    tokens: 'GET',
    scopes: 'challenge',
    begins: 'HEAD',
    accept: `${EVERY_TYPE}, application/vnd.oci.artifact.manifest.v1+json`,
    ranges: true,
  },
  {
    client: 'helm',
    userAgent: 'Helm/3.19.0',
    way: 'name',
    pings: false,
    tokens: 'GET',
    scopes: 'challenge',
    begins: 'tags',
    accept: `${EVERY_TYPE}, application/vnd.oci.artifact.manifest.v1+json`,
  },
  {
    client: 'regctl',
    userAgent: 'regclient/regctl (v0.9.2)',
    way: 'name',
    pings: false,
    tokens: 'GET',
    scopes: 'challenge',
    begins: 'HEAD',
    accept: EVERY_TYPE,
    ranges: true,
  },
];

/** Pulls as the client does; throws a sentence about the first answer that it would not have taken. */
export async function replay(site: ClientSite, state: State, client: ReplayedClient): Promise<void> {
  const pull = new ReplayedPull(site, state, client);
  if (client.pings) await pull.ping();
  if (client.begins === 'tags') await pull.tags();
  const digest = client.begins === 'HEAD' ? await pull.head('v1') : undefined;
  const manifest = await pull.manifest(digest ?? 'v1');
  for (const blob of [manifest.config, ...manifest.layers]) await pull.blob(blob);
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

class ReplayedPull {
  #token: string | undefined;

  constructor(
    private readonly site: ClientSite,
    private readonly state: State,
    private readonly client: ReplayedClient,
  ) {}

  async ping(): Promise<void> {
    const path = this.#way === 'mount' ? `/${this.#organization}/v2/` : '/v2/';
    const answer = await this.#once('GET', path, {});
    this.#must(answer.status === 401 || answer.status === 200, `${path} is ${answer.status}`);
    if (answer.status === 401) await this.#signIn(answer.headers.get('www-authenticate') ?? '');
  }

  async tags(): Promise<void> {
    const answer = await this.#send('GET', this.#path('tags/list'), {});
    this.#must(answer.status === 200, `the list of tags is ${answer.status}`);
    const { tags } = JSON.parse(answer.bytes.toString()) as { readonly tags: unknown };
    this.#must(Array.isArray(tags) && tags.includes('v1'), 'the list of tags has no v1');
  }

  /** Clients take the type, the size and the digest from here, or begin anew with GET. */
  async head(tag: string): Promise<string> {
    const answer = await this.#send('HEAD', this.#path(`manifests/${tag}`), { accept: this.client.accept });
    this.#must(answer.status === 200, `HEAD of the manifest is ${answer.status}`);
    const { manifest } = this.site.image;
    this.#must(answer.headers.get('content-type') === manifest.mediaType, 'HEAD has another Content-Type');
    this.#must(answer.headers.get('content-length') === String(manifest.bytes.byteLength), 'HEAD has another size');
    const digest = answer.headers.get('docker-content-digest') ?? '';
    this.#must(digest === manifest.digest, 'HEAD has another digest');
    return digest;
  }

  async manifest(reference: string): Promise<{ readonly config: Descriptor; readonly layers: readonly Descriptor[] }> {
    const { manifest } = this.site.image;
    const accept = reference === 'v1' ? this.client.accept : `${manifest.mediaType}, */*`;
    const answer = await this.#send('GET', this.#path(`manifests/${reference}`), { accept });
    this.#must(answer.status === 200, `the manifest is ${answer.status}`);
    this.#must(answer.headers.get('content-type') === manifest.mediaType, 'the manifest has another Content-Type');
    this.#must(answer.bytes.equals(manifest.bytes), 'the manifest has other bytes');
    return JSON.parse(answer.bytes.toString());
  }

  async blob({ digest, size }: Descriptor): Promise<void> {
    const path = this.#path(`blobs/${digest}`);
    const answer = await this.#send('GET', path, this.client.blobHeaders ?? {});
    this.#must(answer.status === 200, `a blob is ${answer.status}`);
    this.#must(!answer.headers.has('content-encoding'), 'a blob has a Content-Encoding');
    this.#must(answer.headers.get('content-length') === String(size), 'a blob has no Content-Length, or another');
    const actual = `sha256:${createHash('sha256').update(answer.bytes).digest('hex')}`;
    this.#must(actual === digest, 'a blob has other bytes');
    if (this.client.ranges !== true) return;
    this.#must(answer.headers.get('accept-ranges') === 'bytes', 'a blob does not say that it has ranges');
    const rest = await this.#send('GET', path, { ...this.client.blobHeaders, range: 'bytes=10-' });
    this.#must(rest.status === 206, `a part of a blob is ${rest.status}`);
    this.#must(rest.headers.get('content-range') === `bytes 10-${size - 1}/${size}`, 'a part has no Content-Range');
    this.#must(rest.bytes.equals(answer.bytes.subarray(10)), 'a part has other bytes');
  }

  get #organization(): string {
    return this.site.name(this.state).split('/')[0] ?? '';
  }

  /** Hosted repositories are not behind a mirror, and have no upstream to be named by. */
  get #way(): WayOfClient {
    return this.state === 'hosted' ? 'name' : this.client.way;
  }

  /** What the client knows the repository by: that of the upstream, unless it was told our name. */
  get #knownName(): string {
    const name = this.site.name(this.state);
    return this.#way === 'name' ? name : name.slice(this.#organization.length + 1);
  }

  #path(what: string): string {
    switch (this.#way) {
      case 'name':
      case 'default':
        return `/v2/${this.#knownName}/${what}`;
      case 'mount':
        return `/${this.#organization}/v2/${this.#knownName}/${what}?ns=docker.io`;
      case 'ns':
        return `/v2/${this.#knownName}/${what}?ns=${this.site.upstream.host}`;
      case 'name and ns':
        return `/v2/${this.site.name(this.state)}/${what}?ns=docker.io`;
    }
  }

  async #send(method: string, path: string, headers: Readonly<Record<string, string>>) {
    const first = await this.#once(method, path, headers);
    if (first.status === 401) await this.#signIn(first.headers.get('www-authenticate') ?? '');
    const answer = first.status === 401 ? await this.#once(method, path, headers) : first;
    const namespace = this.#way === 'ns' ? this.site.upstream.host : null;
    this.#must(answer.headers.get('oci-namespace') === namespace, `OCI-Namespace is not ${namespace}`);
    return answer;
  }

  async #once(method: string, path: string, headers: Readonly<Record<string, string>>) {
    const response = await fetch(`${this.site.registry.url}${path}`, {
      method,
      headers: {
        'user-agent': this.client.userAgent,
        connection: 'close',
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...headers,
      },
    });
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
  }

  async #signIn(challenge: string): Promise<void> {
    const [, realm = ''] = /realm="([^"]+)"/.exec(challenge) ?? [];
    const [, service = ''] = /service="([^"]+)"/.exec(challenge) ?? [];
    const [, scope] = /scope="([^"]+)"/.exec(challenge) ?? [];
    const { scopes: whose, tokens } = this.client;
    const scopes = [
      ...(scope === undefined || whose === 'own' ? [] : [scope]),
      ...(whose === 'challenge' ? [] : [`repository:${this.#knownName}:pull`]),
    ];
    const [username = '', password = ''] = this.state === 'hosted' ? this.site.creds.split(':') : [];
    const isGet = tokens === 'GET' || username === '';
    const response = await (isGet
      ? this.#getToken(realm, service, scopes, username, password)
      : this.#postToken(realm, service, scopes, username, password));
    const body = (await response.json()) as { readonly token?: string; readonly access_token?: string };
    this.#token = isGet ? body.token : body.access_token;
    this.#must(this.#token !== undefined, `there is no token: ${response.status}`);
  }

  #getToken(realm: string, service: string, scopes: readonly string[], username: string, password: string) {
    const query = new URLSearchParams({ service });
    for (const scope of scopes) query.append('scope', scope);
    const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    return fetch(`${realm}?${query}`, {
      headers: { connection: 'close', ...(username === '' ? {} : { authorization: basic }) },
    });
  }

  #postToken(realm: string, service: string, scopes: readonly string[], username: string, password: string) {
    const form = new URLSearchParams({ grant_type: 'password', service, client_id: 'containerd-client' });
    form.set('scope', scopes.join(' '));
    form.set('username', username);
    form.set('password', password);
    const headers = { connection: 'close', 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    return fetch(realm, { method: 'POST', headers, body: form.toString() });
  }

  #must(holds: boolean, problem: string): void {
    if (!holds) throw new Error(`${this.client.client}, ${this.state}: ${problem}`);
  }
}
