import { join } from 'node:path';
import { run } from './children.mjs';
import { MANIFEST_TYPE } from './image.mjs';
import { cpuSeconds } from './process-cpu.mjs';

const CONNECTIONS = 16;
const MIB = 1024 * 1024;

const PULL = join(import.meta.dirname, 'pull.lua');

/** Asks for a manifest with 16 connections for some seconds, by each of the kinds of reference in turns. */
export async function loadManifest(tools, { pid, urls }, kinds, seconds) {
  const before = cpuSeconds(pid);
  const [first] = kinds;
  const paths = kinds.map((kind) => new URL(urls[kind]).pathname);
  const turns = kinds.length === 1 ? [urls[first]] : ['-s', PULL, urls[first], '--', ...paths];
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '-H', `Accept: ${MANIFEST_TYPE}`, ...turns];
  const said = await run(tools.wrk, args);
  const cpu = cpuSeconds(pid) - before;
  const failed = /Non-2xx|Socket errors/.exec(said);
  if (failed !== null) throw new Error(`${urls[first]}: ${said}`);
  const [, requests, took, unit] = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(said) ?? [];
  const elapsed = Number(took) * { ms: 0.001, s: 1, m: 60 }[unit];
  const rounds = Number(requests) / kinds.length;
  return {
    rate: rounds / elapsed,
    cpu: (cpu / rounds) * 1e6,
    p99: /99%\s+(\S+)/.exec(said)?.[1],
  };
}

/** Downloads a blob with some clients at once, each of which does so several times over one connection. */
export async function loadBlob(tools, { pid, urls }, clients, times, bytes) {
  const one = Array.from({ length: times }, () => ['-o', '/dev/null', urls.blob]).flat();
  const args = ['--silent', '--show-error', '--fail', '--write-out', '%{size_download}\n', ...one];
  const before = cpuSeconds(pid);
  const began = performance.now();
  const said = await Promise.all(Array.from({ length: clients }, () => run(tools.curl, args)));
  const elapsed = (performance.now() - began) / 1000;
  const cpu = cpuSeconds(pid) - before;
  const received = said.flatMap((text) => text.trim().split('\n').map(Number));
  const wrong = received.find((size) => size !== bytes);
  if (wrong !== undefined) throw new Error(`${urls.blob}: ${wrong} bytes instead of ${bytes}`);
  const total = received.length * bytes;
  return { rate: total / MIB / elapsed, cpu: cpu / (total / 1024 ** 3) };
}
