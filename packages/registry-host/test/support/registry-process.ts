import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { TestRegistryState } from '@breakwater/test-kit';

const SCRIPT = resolve('packages/registry-host/test/support/run-registry.mjs');
export const ADMIN_PASSWORD = 'the password of the tests';

/** A registry in a process of its own. */
export interface RegistryProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
}

/** What registries on the same state share: database, spool and store. */
export function sharedEnvironment(state: TestRegistryState): Readonly<Record<string, string>> {
  return {
    BREAKWATER_LISTEN: '127.0.0.1:0',
    BREAKWATER_DATA_DIR: state.directory,
    BREAKWATER_STORAGE_URL: pathToFileURL(join(state.directory, 'storage')).href,
    BREAKWATER_ADMIN_PASSWORD: ADMIN_PASSWORD,
    BREAKWATER_SEED_ORGANIZATIONS: 'none',
    BREAKWATER_UPSTREAM_ALLOWED_HOSTS: '127.0.0.0/8',
    BREAKWATER_GC_INTERVAL_S: '86400',
  };
}

/**
 * Starts a registry, as it was built, and waits until it serves.
 * @param leaseMs of its downloads, in milliseconds
 * @param flags of its node
 * @param env settings beside those that all share
 */
export async function startRegistryProcess(
  state: TestRegistryState,
  leaseMs = 30_000,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<RegistryProcess> {
  const options = {
    env: { ...sharedEnvironment(state), ...env },
    connection: state.database.connection,
    downloads: { leaseMs },
    deadlines: { idleMs: 5_000 },
  };
  const child = spawn(process.execPath, [...flags, SCRIPT, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const url = await new Promise<string>((ready, failed) => {
    let line = '';
    child.stdout.on('data', (chunk: Buffer) => {
      line += chunk.toString();
      if (line.includes('\n')) ready(line.trim());
    });
    child.once('exit', (code) => failed(new Error(`the registry ended with ${code}: ${said}`)));
  });
  return {
    url,
    child,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}
