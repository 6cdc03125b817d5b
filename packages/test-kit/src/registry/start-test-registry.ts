import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Deadlines, Lookup } from '@breakwater/proxy-cache';
import { type Clock, type Logger, silentLogger } from '@breakwater/registry-core';
import {
  allMigrations,
  type Disk,
  type Registry,
  type RegistryOptions,
  readConfig,
  startRegistry,
} from '@breakwater/registry-host';
import { createTestDatabase, type TestDatabase } from '../postgres/create-test-database.js';
import type { TestConnection } from '../postgres/test-server.js';
import { ApiContract } from './api-contract.js';

export interface TestRegistryOptions {
  /** Default: Postgres's time. A movable one moves every age, lifetime and window of the registry. */
  readonly clock?: Clock;
  readonly lookup?: Lookup;
  readonly deadlines?: Partial<Deadlines>;
  readonly logger?: Logger;
  /** The file system with faults in it; default the machine's own. */
  readonly disk?: Disk;
  /** BREAKWATER_* variables beside the ones that a test needs. */
  readonly env?: Readonly<Record<string, string>>;
  readonly periods?: RegistryOptions['periods'];
  /** Another way to the database of the state, through a relay, say. */
  readonly connection?: TestConnection;
  /** State of another registry to start on: a second process of a cluster, or the next start. */
  readonly on?: TestRegistryState;
}

/** What a registry leaves behind: its database and its directory. Whoever made it takes it away. */
export interface TestRegistryState extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly directory: string;
  remove(): Promise<void>;
}

/** A whole registry in this process, with an administrator and no organizations. */
export interface TestRegistry extends AsyncDisposable {
  readonly registry: Registry;
  readonly state: TestRegistryState;
  readonly url: string;
  /** `127.0.0.1:port` */
  readonly host: string;
  /** What the OpenAPI document of the registry promises: `api` holds every answer against it. */
  contract(): Promise<ApiContract>;
  /** Asks the management API as the administrator; the body is JSON. */
  api(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
  /** Who may do everything. */
  readonly administrator: { readonly username: string; readonly password: string };
  /** The administrator's `Authorization`. */
  readonly authorization: string;
  /** Makes an organization that can be pushed to and resolves to its name. */
  hostedOrganization(): Promise<string>;
  /**
   * Makes a proxy organization and resolves to its name. Unless told, pulls are anonymous and nothing is fetched behind
   * a pull (`prefetch: 'off'`), so that the requests which an upstream counts are the test's own.
   */
  proxyOrganization(settings: Readonly<Record<string, unknown>>): Promise<string>;
  close(): Promise<void>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const ADMIN_PASSWORD = 'the password of the tests';
let organizations = 0;

/** Makes the state of a registry that has never been started. */
export async function registryState(): Promise<TestRegistryState> {
  const database = await createTestDatabase({ migrations: allMigrations() });
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-registry-'));
  const remove = async () => {
    await rm(directory, { recursive: true, force: true });
    await database.drop();
  };
  return { database, directory, remove, [Symbol.asyncDispose]: remove };
}

/** Starts the registry in this process, so that its clock can be moved, and waits until it is ready. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const state = options.on ?? (await registryState());
  const config = readConfig({
    BREAKWATER_LISTEN: '127.0.0.1:0',
    BREAKWATER_DATA_DIR: state.directory,
    BREAKWATER_STORAGE_URL: pathToFileURL(join(state.directory, 'storage')).href,
    BREAKWATER_ADMIN_PASSWORD: ADMIN_PASSWORD,
    BREAKWATER_SEED_ORGANIZATIONS: 'none',
    BREAKWATER_UPSTREAM_ALLOWED_HOSTS: '127.0.0.0/8',
    BREAKWATER_GC_INTERVAL_S: '86400',
    ...options.env,
  });
  const registry = await startRegistry({
    config,
    logger: options.logger ?? silentLogger,
    connection: { ...(options.connection ?? state.database.connection) },
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    ...(options.deadlines === undefined ? {} : { deadlines: options.deadlines }),
    ...(options.periods === undefined ? {} : { periods: options.periods }),
  });
  await registry.ready;
  return new RunningRegistry(registry, state, options.on === undefined);
}

class RunningRegistry implements TestRegistry {
  #closed = false;
  #contract: Promise<ApiContract> | undefined;

  constructor(
    readonly registry: Registry,
    readonly state: TestRegistryState,
    private readonly ownsState: boolean,
  ) {}

  get url(): string {
    return this.registry.url;
  }

  get host(): string {
    return new URL(this.url).host;
  }

  async api(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: this.authorization,
        'content-type': 'application/json',
        connection: 'close',
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    if (path.startsWith('/api/')) (await this.contract()).check(method, path, answer.status, answer.body);
    return answer;
  }

  async contract(): Promise<ApiContract> {
    this.#contract ??= ApiContract.of(this.url);
    return this.#contract;
  }

  get authorization(): string {
    const { username, password } = this.administrator;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  get administrator() {
    return { username: 'admin', password: ADMIN_PASSWORD };
  }

  async hostedOrganization(): Promise<string> {
    organizations += 1;
    const name = `hosted${process.pid}x${organizations}`;
    const made = await this.api('POST', '/api/v1/organization/', { name });
    if (made.status === 201) return name;
    throw new Error(`${name} could not be made: ${JSON.stringify(made.body)}`);
  }

  async proxyOrganization(settings: Readonly<Record<string, unknown>>): Promise<string> {
    organizations += 1;
    const name = `org${process.pid}x${organizations}`;
    const made = await this.api('POST', '/api/v1/organization/', { name });
    const body = { insecure: true, anonymous_pull: true, prefetch: 'off', ...settings };
    const configured = await this.api('POST', `/api/v1/organization/${name}/proxycache`, body);
    if (made.status === 201 && configured.status === 201) return name;
    throw new Error(`${name} could not be made: ${JSON.stringify([made.body, configured.body])}`);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.registry.close();
    if (this.ownsState) await this.state.remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
