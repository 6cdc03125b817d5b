#!/usr/bin/env node
import process from 'node:process';
import { readConfig } from './config/read-config.js';
import { DRAIN } from './lifecycle/drain.js';
import { createLogger } from './observe/create-logger.js';
import { type Registry, startRegistry } from './start-registry.js';

/** Errors whose message is all that whoever starts the registry needs. */
const PLAIN_ERRORS: ReadonlySet<unknown> = new Set(['ConfigError', 'EmbeddedPostgresError', 'SecretFileError']);
const NOT_LISTENING: ReadonlySet<unknown> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES']);

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const logger = createLogger(config.logLevel);
  for (const warning of config.warnings) logger.warn({}, warning);
  say(config.databaseUrl === undefined ? 'Starting the embedded Postgres…' : 'Connecting to Postgres…');
  const registry = await startRegistry({ config, logger });
  endOnSignals(registry);
  const { passwordFile } = await registry.ready;
  const address = config.publicUrl ?? registry.url;
  say(`Breakwater is ready at ${address}`);
  if (passwordFile !== undefined) say(`The password of the administrator "admin" is in ${passwordFile}`);
  if (config.seedOrganizations) {
    say('Pull an image through it:');
    say(`  podman pull --tls-verify=false ${new URL(address).host}/dockerhub/library/alpine`);
  }
}

function endOnSignals(registry: Registry): void {
  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    if (ending) process.exit(1);
    ending = true;
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
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(error: unknown): void {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
}

function explain(error: unknown): string {
  const { name, code, message = '', stack } = (error ?? {}) as Partial<Error> & { readonly code?: unknown };
  if (PLAIN_ERRORS.has(name)) return message;
  if (NOT_LISTENING.has(code))
    return `Cannot listen: ${message}. BREAKWATER_LISTEN=127.0.0.1:5001 chooses another port.`;
  return stack ?? message;
}

main().catch(fail);
