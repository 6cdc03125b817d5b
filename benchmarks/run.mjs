import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { setUp } from '../scripts/setup.mjs';
import { measureCold } from './cold.mjs';
import { startBreakwater } from './contenders/breakwater.mjs';
import { startDockerRegistry, startProxy } from './contenders/docker-registry.mjs';
import { startNginx } from './contenders/nginx.mjs';
import { endAll } from './lib/children.mjs';
import { buildImage, fetchHashed, pushImage } from './lib/image.mjs';
import { loadBlob, loadManifest } from './lib/load.mjs';
import { printable, summarize } from './lib/report.mjs';
import { findTools } from './lib/tools.mjs';

// node benchmarks/run.mjs [--short] [--rounds n] [--seconds n] [--only manifest|blob|cold] [--profile directory]
//
// A cached manifest and a cached blob from this registry, from nginx and from docker-registry in proxy mode, measured in
// turns. See docs/benchmarks.md.

const MIB = 1024 * 1024;
/** Of a cold pull beside everything else. */
const SHORT_COLD_BYTES = 32 * MIB;
const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    profile: { type: 'string' },
  },
});
const blobBytes = (options.short ? 64 : 256) * MIB;
const rounds = wholeNumber('rounds', options.short ? 1 : 5);
const seconds = wholeNumber('seconds', options.short ? 1 : 4);
const bySeconds = { unit: 'req/s', cpuUnit: 'µs/req', family: 'manifest' };
const byBytes = { unit: 'MiB/s', cpuUnit: 's/GiB', family: 'blob' };
const scenarios = [
  { ...bySeconds, title: 'manifest by tag', kinds: ['tag'] },
  { ...bySeconds, title: 'manifest by digest', kinds: ['digest'] },
  // As clients pull: the tag, and then what it points to.
  { ...bySeconds, title: 'pull: tag, then digest', kinds: ['tag', 'digest'], unit: 'pulls/s', cpuUnit: 'µs/pull' },
  { ...byBytes, title: 'blob, 1 client', clients: 1, times: options.short ? 2 : 8 },
  { ...byBytes, title: 'blob, 8 clients', clients: 8, times: options.short ? 1 : 2 },
].filter(({ family }) => options.only === undefined || options.only === family);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void endAll().finally(() => process.exit(1)));

if ((await setUp()) && (await build('packages/registry-host'))) await main();
else process.exitCode = 1;

async function main() {
  let tools;
  try {
    tools = findTools();
  } catch (error) {
    console.error(`npm run bench ${error.message}`);
    process.exitCode = 1;
    return;
  }
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-bench-'));
  // nginx's worker and the embedded Postgres may run as somebody else.
  await chmod(directory, 0o755);
  try {
    const machine = describeMachine(tools);
    console.log(Object.values(machine).join('\n'));
    if (options.only === 'cold') {
      const overLinks = true;
      const cold = await measureCold(tools, directory, { blobBytes, rounds: options.rounds ? rounds : 1, overLinks });
      save({ machine, cold });
      return;
    }
    const contenders = await startAll(tools, directory);
    const measured = await measureAll(tools, contenders);
    const names = contenders.map(({ name }) => name);
    const summary = summarize(scenarios, names, measured);
    console.log(`\n${printable(summary)}`);
    await endAll();
    const cold = options.only === undefined ? await measureColdShortly(tools, directory) : undefined;
    save({ machine, rounds, seconds, scenarios, summary, measured, cold });
  } finally {
    await endAll();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Cold pulls without a link, of smaller blobs, once: whether something has become slow. */
async function measureColdShortly(tools, directory) {
  const folder = join(directory, 'cold');
  await mkdir(folder, { mode: 0o755 });
  return measureCold(tools, folder, { blobBytes: SHORT_COLD_BYTES, rounds: 1, overLinks: false });
}

async function startAll(tools, directory) {
  console.log('starting and filling the contenders …');
  const image = await buildImage(directory, blobBytes);
  const { origin } = await startDockerRegistry(tools, directory, 'upstream');
  await pushImage(origin, image);
  const breakwater = await startBreakwater(directory, origin, image, options);
  const nginx = await startNginx(tools, directory, image, breakwater.urls);
  const proxy = await startProxy(tools, directory, origin, image);
  const contenders = [breakwater, nginx, proxy];
  for (const { name, urls } of contenders) {
    await verify(name, urls.tag, image.manifest);
    await verify(name, urls.digest, image.manifest);
    await verify(name, urls.blob, image.big);
  }
  return contenders;
}

/** No contender is measured for sending anything but the right bytes. */
async function verify(name, url, { digest }) {
  const answer = await fetchHashed(url);
  if (answer.status === 200 && answer.digest === digest) return;
  throw new Error(`${name} answers ${url} with ${answer.status} and ${answer.digest} instead of ${digest}`);
}

async function measureAll(tools, contenders) {
  // The first seconds of a compiler that works just in time are not what is asked for.
  for (const scenario of scenarios) {
    for (const contender of contenders)
      await measure(tools, contender, { ...scenario, times: 1 }, 1 + Number(!options.short));
  }
  const measured = [];
  for (let round = 0; round < rounds; round += 1) {
    const results = [];
    for (const scenario of scenarios) {
      const result = {};
      // Nobody always comes first.
      for (const index of contenders.keys()) {
        const contender = contenders[(index + round) % contenders.length];
        result[contender.name] = await measure(tools, contender, scenario, seconds);
      }
      results.push(result);
      console.log(`round ${round + 1} of ${rounds}, ${scenario.title}: ${shown(result, scenario.unit)}`);
    }
    measured.push(results);
  }
  return measured;
}

function measure(tools, contender, scenario, forSeconds) {
  return scenario.family === 'manifest'
    ? loadManifest(tools, contender, scenario.kinds, forSeconds)
    : loadBlob(tools, contender, scenario.clients, scenario.times, blobBytes);
}

function shown(result, unit) {
  return Object.entries(result)
    .map(([name, { rate }]) => `${name} ${Math.round(rate)} ${unit}`)
    .join(', ');
}

function describeMachine(tools) {
  const version = (program, args) => execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' }).trim();
  return {
    date: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 1024 ** 3)} GiB`,
    node: `node ${process.version}`,
    dockerRegistry: version(tools['docker-registry'], ['--version']),
    load: `load average ${loadavg()[0]?.toFixed(2)} before the run`,
    plan: `${rounds} rounds of ${seconds} s for each manifest, blobs of ${blobBytes / MIB} MiB`,
  };
}

function save(result) {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${result.machine.date.replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`\nwritten to ${file}`);
}

function wholeNumber(name, fallback) {
  const text = options[name] ?? String(fallback);
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  console.error(`--${name} must be a whole number from 1 on; it is ${JSON.stringify(text)}`);
  process.exit(1);
}
