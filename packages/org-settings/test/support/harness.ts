import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Access,
  type LogFields,
  type Logger,
  type Messages,
  type OrganizationName,
  parseOrganizationName,
  RegistryError,
  type UpstreamAddress,
} from '@breakwater/registry-core';
import { createTestDatabase, type MovableClock, movableClock, type TestDatabase } from '@breakwater/test-kit';
import express from 'express';
import { type Knex, knex } from 'knex';
import {
  type ConnectionReport,
  createOrgSettings,
  type OrgSettings,
  orgSettingsMigrations,
  type SampleImage,
  type UpstreamCandidate,
} from '../../src/index.js';

const SECRET_KEY = Buffer.alloc(32, 7);

/** An organization name of a test. */
export function org(name: string): OrganizationName {
  const parsed = parseOrganizationName(name);
  if (parsed === undefined) throw new Error(`${name} is no organization name`);
  return parsed;
}

/** Who signs in as what: `Authorization: Bearer <name>`. `root` may do anything, even to what does not exist. */
const access: Access = {
  async authenticate(request) {
    const name = request.headers.authorization?.replace('Bearer ', '');
    if (name === 'wrong') throw new RegistryError('UNAUTHORIZED');
    return name === undefined || name === '' ? undefined : { name };
  },
  async authorize(principal, action, { organization }) {
    if (principal?.name === 'root') return true;
    if (organization === 'forbidden') return false;
    return principal?.name === 'admin' || (principal?.name === 'member' && action === 'read-settings');
  },
  challenge: () => 'Basic realm="test"',
};

/** A logger that keeps its lines. */
interface RecordingLogger extends Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[];
}

function recordingLogger(): RecordingLogger {
  const lines: RecordingLogger['lines'] = [];
  const log = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, message, fields });
  };
  return { lines, debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
}

/** An upstream probe that does what the test says and counts. */
class FakeProbe {
  outcome: 'valid' | 'anonymous' | Error = 'valid';
  refused = new Set<string>();
  readonly validated: UpstreamCandidate[] = [];
  readonly checked: string[] = [];
  readonly tested: (UpstreamCandidate & { readonly sample?: SampleImage })[] = [];

  async validate(candidate: UpstreamCandidate): Promise<'valid' | 'anonymous'> {
    this.validated.push(candidate);
    if (typeof this.outcome !== 'string') throw this.outcome;
    return this.outcome;
  }

  async test(candidate: UpstreamCandidate, sample: SampleImage | undefined): Promise<ConnectionReport> {
    this.tested.push({ ...candidate, ...(sample === undefined ? {} : { sample }) });
    return { ok: true, steps: [{ step: 'name', ok: true, reason: null }], rateLimit: undefined };
  }

  async isAllowed(address: UpstreamAddress, insecure: boolean): Promise<boolean> {
    this.checked.push(`${insecure ? 'http' : 'https'}://${address.host}`);
    return !this.refused.has(address.host);
  }
}

/** One process of a cluster: settings with a pool of their own, behind an HTTP server. */
export interface TestProcess {
  readonly knex: Knex;
  readonly orgSettings: OrgSettings;
  readonly logger: RecordingLogger;
  readonly probe: FakeProbe;
  readonly queries: string[];
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>;
  stop(): Promise<void>;
}

interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  readonly json: any;
}

interface TestProcessOptions {
  readonly secretKey?: Buffer;
  readonly maxStaleMs?: number;
  readonly messages?: Messages;
  readonly hostParsesBodies?: boolean;
}

export interface TestCluster {
  readonly database: TestDatabase;
  readonly clock: MovableClock;
  startProcess(options?: TestProcessOptions): Promise<TestProcess>;
  /** Takes the database away, and gives it back. */
  breakDatabase(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

/** A database for one test file, and processes that share it. */
export async function startCluster(): Promise<TestCluster> {
  const database = await createTestDatabase({ migrations: [orgSettingsMigrations()] });
  const clock = movableClock();
  const processes: TestProcess[] = [];
  return {
    database,
    clock,
    async startProcess({ secretKey = SECRET_KEY, maxStaleMs, messages, hostParsesBodies = false } = {}) {
      const pool = openPool(database);
      const queries: string[] = [];
      pool.on('query', ({ sql }: { readonly sql: string }) => queries.push(sql));
      const logger = recordingLogger();
      const probe = new FakeProbe();
      const orgSettings = createOrgSettings({
        knex: pool,
        clock,
        logger,
        access,
        organizations: { exists: async (name) => !name.startsWith('missing') },
        probe,
        secretKey,
        ...(maxStaleMs === undefined ? {} : { maxStaleMs }),
        ...(messages === undefined ? {} : { messages }),
      });
      const app = express();
      if (hostParsesBodies) app.use(express.json(), express.urlencoded(), express.text());
      app.use(orgSettings.router());
      app.use((_request, response) => {
        response.status(418).end();
      });
      const server = createServer(app);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const started: TestProcess = {
        knex: pool,
        orgSettings,
        logger,
        probe,
        queries,
        call: (method, path, body, headers) => call(server, method, path, body, headers),
        async stop() {
          await new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections();
          });
          await orgSettings.close();
          await pool.destroy();
        },
      };
      processes.push(started);
      return started;
    },
    breakDatabase: () => database.takeDown(),
    async stop() {
      for (const each of processes) await each.stop();
      await database.drop();
    },
  };
}

function openPool({ connection }: TestDatabase): Knex {
  const quiet = (): void => {};
  return knex({
    client: 'pg',
    connection: { ...connection },
    pool: { min: 0, max: 5 },
    log: { warn: quiet, error: quiet, deprecate: quiet, debug: quiet },
  });
}

async function call(
  server: Server,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<TestAnswer> {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      authorization: 'Bearer admin',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}
