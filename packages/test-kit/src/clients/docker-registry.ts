import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rawGet } from './raw-client.js';
import { endProcess, freePort } from './server-process.js';

export interface DockerRegistryOptions {
  /** Makes it a pull-through cache of this origin, `http://127.0.0.1:1234`. */
  readonly proxyOf?: string;
  /** A free one unless told. */
  readonly port?: number;
}

/** Debian's docker-registry, the real thing, as a process of its own on loopback. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: number;
  readonly origin: string;
  /** The process, for measurements; `undefined` while it is not running. */
  readonly pid: number | undefined;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
  /** Comes back on the same port with the same data. Nothing when it runs. */
  start(): Promise<void>;
  /** SIGSTOP: connections are accepted by the system, and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it and takes its data away. */
  stop(): Promise<void>;
}

const PROGRAM = 'docker-registry';
const HOST = '127.0.0.1';
const READY_WITHIN_MS = 15_000;
const READY_PAUSE_MS = 50;
const PORT_ATTEMPTS = 5;

/**
 * Starts a docker-registry with data in a temporary directory, and waits until it answers.
 *
 * @throws Error with what the program said, when it does not start
 */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-docker-registry-'));
  const configFile = join(directory, 'config.yml');
  try {
    for (let attempt = 1; ; attempt += 1) {
      const port = options.port ?? (await freePort(HOST));
      await writeFile(configFile, configOf(port, join(directory, 'data'), options.proxyOf));
      try {
        return registryOn(port, directory, await launch(configFile, port));
      } catch (error) {
        // A port that was free a moment ago may be taken by now.
        const taken = String(error).includes('address already in use');
        if (!taken || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function registryOn(port: number, directory: string, first: ChildProcess): DockerRegistry {
  let child: ChildProcess | undefined = first;
  const kill = async () => {
    const dying = child;
    child = undefined;
    if (dying !== undefined) await endProcess(dying);
  };
  const stop = async () => {
    await kill();
    await rm(directory, { recursive: true, force: true });
  };
  return {
    host: `${HOST}:${port}`,
    port,
    origin: `http://${HOST}:${port}`,
    get pid() {
      return child?.pid;
    },
    kill,
    async start() {
      child ??= await launch(join(directory, 'config.yml'), port);
    },
    freeze() {
      child?.kill('SIGSTOP');
    },
    thaw() {
      child?.kill('SIGCONT');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function launch(configFile: string, port: number): Promise<ChildProcess> {
  const child = spawn(PROGRAM, ['serve', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  // A test run that is interrupted must not leave the program behind.
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  let said = '';
  let ended: string | undefined;
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-4096);
  });
  child.once('error', (error) => {
    ended = String(error);
  });
  child.once('exit', (code) => {
    process.removeListener('exit', endWithUs);
    ended ??= `it ended with ${code}`;
  });
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await answers(port))) {
    if (ended !== undefined || performance.now() > deadline) {
      if (ended === undefined) await endProcess(child);
      throw new Error(`docker-registry did not start: ${ended ?? 'it does not answer'}\n${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, READY_PAUSE_MS));
  }
  // Somebody answers on the port; that it is not another program's answer shows only now.
  if (ended !== undefined) throw new Error(`docker-registry did not start: ${ended}\n${said}`);
  return child;
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await rawGet(`http://${HOST}:${port}/v2/`, { timeoutMs: 1_000 })).status === 200;
  } catch {
    return false;
  }
}

/** JSON is YAML, so strings need no care. */
function configOf(port: number, dataDirectory: string, proxyOf: string | undefined): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: dataDirectory },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: `${HOST}:${port}`, secret: 'of a test' },
    ...(proxyOf === undefined ? {} : { proxy: { remoteurl: proxyOf } }),
  });
}
