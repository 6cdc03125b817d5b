import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const ENDS_WITHIN_MS = 15_000;
const STARTS_WITHIN_MS = 60_000;
const running = new Set();

/** Starts a server of this run. What it says is kept for the error message, should it fail. */
export function start(name, program, args, { env = process.env, cwd, endSignal = 'SIGTERM' } = {}) {
  const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = { name, child, endSignal, said: '', ended: undefined };
  const listen = (chunk) => {
    server.said = `${server.said}${chunk}`.slice(-8_192);
  };
  child.stdout.setEncoding('utf8').on('data', listen);
  child.stderr.setEncoding('utf8').on('data', listen);
  child.once('error', (error) => {
    server.ended ??= error.message;
  });
  child.once('exit', (code, signal) => {
    server.ended ??= `it ended with ${code ?? signal}`;
    running.delete(server);
  });
  running.add(server);
  return server;
}

/** Waits until `isReady` resolves to something true, and resolves to that. */
export async function untilReady(server, isReady) {
  const deadline = performance.now() + STARTS_WITHIN_MS;
  for (;;) {
    if (server.ended !== undefined) throw new Error(`${server.name} did not start: ${server.ended}\n${server.said}`);
    const ready = await isReady().catch(() => undefined);
    if (ready) return ready;
    if (performance.now() > deadline) throw new Error(`${server.name} is not ready\n${server.said}`);
    await sleep(25);
  }
}

/** Ends every server that this run has started, the last one first. */
export async function endAll() {
  for (const server of [...running].reverse()) await end(server);
}

async function end({ child, endSignal }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(endSignal);
  const patience = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
  await gone;
  clearTimeout(patience);
}

/** Runs a program to its end and resolves to its standard output. */
export function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      complaint += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code}: ${complaint || output}`));
    });
  });
}

/** A port of loopback that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
