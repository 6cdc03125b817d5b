import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBreakwater } from './contenders/breakwater.mjs';
import { startDockerRegistry } from './contenders/docker-registry.mjs';
import { startNginxCache } from './contenders/nginx-cache.mjs';
import { run, start, untilReady } from './lib/children.mjs';
import { fetchHashed, NAME } from './lib/image.mjs';
import { cpuSeconds } from './lib/process-cpu.mjs';
import { forgetPeak, peakMemory } from './lib/process-memory.mjs';
import { median } from './lib/report.mjs';

// The cold pull of one large blob by 1, 16 and 200 clients at once, from this registry, from docker-registry in proxy mode
// and from nginx with a cache and its lock on: each in turn, each time with a blob that nobody has seen.

const MIB = 1024 * 1024;
const CLIENTS = [1, 16, 200];
/** The upstream is far away: all connections to it together have this many MiB a second. */
const LINK_MIB = 8;
const UPSTREAM = join(import.meta.dirname, 'cold-upstream.mjs');

/** What has to hold, by the row that it is said of. */
const SAME_AS_DOCKER = 'at least as fast as docker-registry with 1 client';
const NEARLY_AS_ONE = '200 clients within 1.5 times what one takes';

/** Runs it, and resolves to what was measured; prints as it goes. */
export async function measureCold(tools, directory, { blobBytes, rounds }) {
  const upstream = await startUpstream(blobBytes, rounds * 3 * (CLIENTS.length + 2) + 3);
  const contenders = await startContenders(tools, directory, upstream);
  const scenarios = [
    ...CLIENTS.map((clients) => ({ title: `as fast as it goes, ${clients} clients`, clients, linkMib: 0 })),
    ...[1, 200].map((clients) => ({ title: `${LINK_MIB} MiB/s, ${clients} clients`, clients, linkMib: LINK_MIB })),
  ];
  const digests = [...upstream.blobs];
  for (const contender of contenders) await pull(tools, upstream, contender, { clients: 1, linkMib: 0 }, digests.pop());
  const measured = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const scenario of scenarios) {
      for (const index of contenders.keys()) {
        const contender = contenders[(index + round) % contenders.length];
        // It fetches once for each client: 200 of them over a slow link would take hours.
        if (scenario.linkMib > 0 && scenario.clients > 1 && contender.name === 'docker-registry') continue;
        const result = await pull(tools, upstream, contender, scenario, digests.pop());
        measured.push({ round, scenario: scenario.title, contender: contender.name, ...result });
        console.log(`round ${round + 1} of ${rounds}, ${scenario.title}, ${contender.name}: ${shown(result)}`);
      }
    }
  }
  const summary = summarize(scenarios, contenders, measured);
  console.log(`\n${printable(summary, blobBytes)}\n\n${verdicts(summary).join('\n')}`);
  return { summary, measured };
}

async function startUpstream(blobBytes, count) {
  const server = start('upstream', process.execPath, [UPSTREAM, String(blobBytes), String(count)]);
  const held = await untilReady(server, async () => server.said.includes('\n') && JSON.parse(server.said));
  return { ...held, blobBytes, origin: `http://127.0.0.1:${held.port}` };
}

async function startContenders(tools, directory, { origin, manifest, small }) {
  const image = { manifest: { digest: manifest }, big: { digest: small } };
  const breakwater = await startBreakwater(directory, origin, image, {});
  const base = new URL(breakwater.urls.blob);
  const proxy = await startDockerRegistry(tools, directory, 'docker-registry', origin);
  const nginx = await startNginxCache(tools, directory, origin);
  return [
    { ...breakwater, blobs: base.href.slice(0, base.href.lastIndexOf('/')) },
    { ...proxy, blobs: `${proxy.origin}/v2/${NAME}/blobs` },
    { ...nginx, blobs: `${nginx.origin}/v2/${NAME}/blobs` },
  ];
}

async function pull(tools, upstream, { name, pid, blobs }, { clients, linkMib }, digest) {
  const url = `${blobs}/${digest}`;
  await fetchHashed(`${upstream.origin}/link?mib=${linkMib}`);
  await (await fetch(`${upstream.origin}/stats`)).json();
  forgetPeak(pid);
  const before = cpuSeconds(pid);
  const began = performance.now();
  await pullBy(tools, url, clients, upstream.blobBytes);
  const seconds = (performance.now() - began) / 1000;
  const peak = peakMemory(pid);
  const { bytes } = await (await fetch(`${upstream.origin}/stats`)).json();
  // What is stored behind the clients' backs is part of the price.
  await sleep(1_000);
  const cpu = cpuSeconds(pid) - before;
  const answer = await fetchHashed(url);
  if (answer.digest !== digest) throw new Error(`${name} answers ${url} with ${answer.status} and ${answer.digest}`);
  return { seconds, upstream: bytes, cpu, peak };
}

/** All in one process, whose cost is the same for every contender. */
async function pullBy(tools, url, clients, bytes) {
  const each = Array.from({ length: clients }, () => ['--output', '/dev/null', url]).flat();
  const said = await run(tools.curl, [
    '--silent',
    '--show-error',
    '--fail',
    '--parallel',
    '--parallel-immediate',
    '--parallel-max',
    String(clients),
    '--write-out',
    '%{size_download}\n',
    ...each,
  ]);
  const sizes = said.trim().split('\n').map(Number);
  if (sizes.length !== clients || sizes.some((size) => size !== bytes)) throw new Error(`${url}: ${sizes.join(' ')}`);
}

function summarize(scenarios, contenders, measured) {
  return scenarios.map(({ title, clients, linkMib }) => ({
    title,
    clients,
    linkMib,
    rows: contenders.flatMap(({ name }) => {
      const found = measured.filter((each) => each.scenario === title && each.contender === name);
      if (found.length === 0) return [];
      const of = (field) => median(found.map((each) => each[field]));
      return [{ name, seconds: of('seconds'), upstream: of('upstream'), cpu: of('cpu'), peak: of('peak') }];
    }),
  }));
}

function printable(summary, blobBytes) {
  const lines = [
    `| ${blobBytes / MIB} MiB | server | wall time | from the upstream | server CPU | peak memory |`,
    '| --- | --- | --- | --- | --- | --- |',
  ];
  for (const { title, rows } of summary) {
    for (const [index, row] of rows.entries()) {
      lines.push(`| ${index === 0 ? title : ''} | ${row.name} | ${cells(row).join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

function cells({ seconds, upstream, cpu, peak }) {
  return [
    `${seconds.toFixed(2)} s`,
    `${Math.round(upstream / MIB)} MiB`,
    `${cpu.toFixed(2)} s`,
    `${Math.round(peak / MIB)} MiB`,
  ];
}

function shown(result) {
  return cells(result).join(', ');
}

function verdicts(summary) {
  const of = (linkMib, clients, name) =>
    summary.find((each) => each.linkMib === linkMib && each.clients === clients)?.rows.find((row) => row.name === name)
      ?.seconds ?? Number.NaN;
  const beside = of(0, 1, 'breakwater') / of(0, 1, 'docker-registry');
  const lines = [`${SAME_AS_DOCKER}: ${beside.toFixed(2)} of its time, ${beside <= 1 ? 'met' : 'NOT MET'}`];
  for (const linkMib of [0, LINK_MIB]) {
    const link = linkMib === 0 ? 'as fast as it goes' : `${linkMib} MiB/s`;
    for (const name of ['breakwater', 'nginx']) {
      const ratio = of(linkMib, 200, name) / of(linkMib, 1, name);
      lines.push(`${NEARLY_AS_ONE}, ${link}, ${name}: ${ratio.toFixed(2)}, ${ratio <= 1.5 ? 'met' : 'NOT MET'}`);
    }
  }
  return lines;
}
