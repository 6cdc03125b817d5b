import process from 'node:process';
import { readConfig } from '../config/read-config.js';
import { DRAIN } from '../lifecycle/drain.js';
import { createLogger } from '../observe/create-logger.js';
import { type Registry, startRegistry } from '../start-registry.js';
import { explainFailure } from './explain-failure.js';

const NOT_LISTENING: ReadonlySet<unknown> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES']);

/** Runs the registry until a signal ends it. */
export function serve(): void {
  run().catch(fail);
}

async function run(): Promise<void> {
  const config = readConfig(process.env);
  const logger = createLogger(config.logLevel);
  for (const warning of config.warnings) logger.warn({}, warning);
  say(config.databaseUrl === undefined ? 'Starting the embedded Postgres…' : 'Connecting to Postgres…');
  const registry = await startRegistry({ config, logger });
  const ending = endOnSignals(registry);
  const facts = await registry.ready.catch((error: unknown) => {
    // A signal came before it was ready: that is an end, and no failure.
    if (ending.aborted) return undefined;
    throw error;
  });
  if (facts === undefined) return;
  const { passwordFile } = facts;
  const address = config.publicUrl ?? registry.url;
  say(`Breakwater is ready at ${address}`);
  if (passwordFile !== undefined) say(`The password of the administrator "admin" is in ${passwordFile}`);
  if (config.seedOrganizations) {
    say('Pull an image through it:');
    say(`  podman pull --tls-verify=false ${new URL(address).host}/dockerhub/library/alpine`);
  }
}

/** Aborts what it returns as soon as a signal has come. */
function endOnSignals(registry: Registry): AbortSignal {
  const ending = new AbortController();
  const end = (signal: NodeJS.Signals) => {
    if (ending.signal.aborted) process.exit(1);
    ending.abort();
    say(`${signal}: finishing what is under way; once more to stop at once`);
    // A person at a keyboard waits for nobody; whoever routes requests to us needs a moment to notice.
    const periods = signal === 'SIGINT' ? { ...DRAIN, acceptMs: 0 } : DRAIN;
    registry.close(periods).then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  return ending.signal;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(error: unknown): void {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
}

function explain(error: unknown): string {
  const { code, message = '' } = (error ?? {}) as Partial<Error> & { readonly code?: unknown };
  if (NOT_LISTENING.has(code))
    return `Cannot listen: ${message}. BREAKWATER_LISTEN=127.0.0.1:5001 chooses another port.`;
  return explainFailure(error);
}
