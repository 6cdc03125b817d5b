import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificate } from '../upstream/certificate.js';
import { runProgram } from './child-process.js';
import { endProcess, freePort } from './server-process.js';

export interface RedisServerOptions {
  /** What clients have to say, if anything. */
  readonly password?: string;
  /** Speaks TLS with it, and nothing else. */
  readonly certificate?: Certificate;
  /** A member of a cluster that has no slots, or a Sentinel that watches nobody. */
  readonly as?: 'cluster' | 'sentinel';
}

/** The real Redis, as a process of its own on loopback, with nothing on disk. */
export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:port`, with the password if there is one; `rediss:` with TLS. */
  readonly url: string;
  readonly port: number;
  /** SIGKILL, and gone with all its data. */
  kill(): Promise<void>;
  /** Comes back on the same port, empty. Nothing when it runs. */
  start(): Promise<void>;
  /** SIGSTOP: connections are accepted by the system, and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Runs a command with redis-cli and resolves to what it printed. The server must not be frozen. */
  command(...words: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';
const CLIENT = 'redis-cli';
const HOST = '127.0.0.1';
const CERTIFICATE = 'redis.crt';
const KEY = 'redis.key';
const READY_WITHIN_MS = 10_000;
const READY_PAUSE_MS = 10;
const PORT_ATTEMPTS = 5;

/**
 * Starts a redis-server and waits until it answers.
 *
 * @throws Error with what the program said, when it does not start
 */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-redis-'));
  try {
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort(HOST);
      const start = () => launch(port, directory, options);
      try {
        return serverOn(port, directory, options, start, await start());
      } catch (error) {
        // A port that was free a moment ago may be taken by now.
        if (!String(error).includes('Address already in use') || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function serverOn(
  port: number,
  directory: string,
  { password, certificate }: RedisServerOptions,
  start: () => Promise<ChildProcess>,
  first: ChildProcess,
): RedisServer {
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
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return {
    url: `redis${certificate === undefined ? '' : 's'}://${secret}${HOST}:${port}`,
    port,
    kill,
    async start() {
      child ??= await start();
    },
    freeze() {
      child?.kill('SIGSTOP');
    },
    thaw() {
      child?.kill('SIGCONT');
    },
    async command(...words) {
      const env = password === undefined ? {} : { REDISCLI_AUTH: password };
      const tls = certificate === undefined ? [] : ['--tls', '--cacert', join(directory, CERTIFICATE)];
      const { exitCode, stdout, stderr } = await runProgram(
        CLIENT,
        ['-h', HOST, '-p', String(port), ...tls, ...words],
        {
          env,
          timeoutMs: 10_000,
        },
      );
      if (exitCode !== 0) throw new Error(`redis-cli failed: ${stderr}${stdout}`);
      return stdout.trim();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function launch(port: number, directory: string, options: RedisServerOptions): Promise<ChildProcess> {
  const child = spawn(PROGRAM, await programArguments(port, directory, options), { stdio: ['ignore', 'pipe', 'pipe'] });
  // A test run that is interrupted must not leave the program behind.
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  let said = '';
  let ended: string | undefined;
  const listen = (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-4096);
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  child.once('error', (error) => {
    ended = String(error);
  });
  child.once('exit', (code) => {
    process.removeListener('exit', endWithUs);
    ended ??= `it ended with ${code}`;
  });
  // What it says itself: another program may answer on the port.
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!/Ready to accept connections|Sentinel ID is/.test(said) || !(await accepts(port))) {
    if (ended !== undefined || performance.now() > deadline) {
      if (ended === undefined) await endProcess(child);
      throw new Error(`${PROGRAM} did not start: ${ended ?? 'it does not answer'}\n${said}`);
    }
    await sleep(READY_PAUSE_MS);
  }
  return child;
}

async function programArguments(
  port: number,
  directory: string,
  { password, certificate, as }: RedisServerOptions,
): Promise<readonly string[]> {
  const all = ['--bind', HOST, '--dir', directory, ...(password === undefined ? [] : ['--requirepass', password])];
  if (as === 'sentinel') {
    const file = join(directory, 'sentinel.conf');
    await writeFile(file, '');
    return [file, '--sentinel', ...all, '--port', String(port)];
  }
  const settings = [
    ...all,
    '--save',
    '',
    '--appendonly',
    'no',
    ...(as === 'cluster' ? ['--cluster-enabled', 'yes'] : []),
  ];
  if (certificate === undefined) return [...settings, '--port', String(port)];
  await writeFile(join(directory, CERTIFICATE), certificate.cert);
  await writeFile(join(directory, KEY), certificate.key, { mode: 0o600 });
  const files = ['--tls-cert-file', CERTIFICATE, '--tls-ca-cert-file', CERTIFICATE, '--tls-key-file', KEY];
  return [...settings, '--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
