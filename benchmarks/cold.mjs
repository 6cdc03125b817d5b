import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBreakwater } from './contenders/breakwater.mjs';
import { startDockerRegistry, untilStored } from './contenders/docker-registry.mjs';
import { startNginxCache } from './contenders/nginx-cache.mjs';
import { run, start, untilReady } from './lib/children.mjs';
import { fetchHashed, NAME } from './lib/image.mjs';
import { cpuSeconds } from './lib/process-cpu.mjs';
import { forgetPeak, peakMemory } from './lib/process-memory.mjs';
import { median } from './lib/report.mjs';

// The cold pull of one large blob by 1, 16 and 200 clients at once, from this registry, from docker-registry in proxy mode
// and from nginx with a cache and its lock on: each in turn, each time with a blob that nobody has seen. First with an
// upstream on the same machine and nothing in between, where the machine is what limits; then over links, where they do.

const MIB = 1024 * 1024;
const UPSTREAM = join(import.meta.dirname, 'cold-upstream.mjs');
/** Links, in MiB/s for all connections together; 0 is none. */
const NO_LINK = 0;
const GIGABIT = 119;
const INTERNET = 4;
/** Of the large blob, what goes over the slow link. */
const SMALLER = 4;
/** It fetches once for each client: 200 of them over a slow link would take hours. */
const FETCHES_FOR_EACH = 'docker-registry';
const STORED_WITHIN_MS = 120_000;

const WITHOUT_A_LINK = [1, 16, 200].map((clients) => ({ link: NO_LINK, clients }));
const OVER_LINKS = [
  ...[1, 16].map((clients) => ({ link: GIGABIT, clients })),
  ...[1, 16, 200].map((clients) => ({ link: INTERNET, clients, isSmaller: true })),
];

/** Runs it, over links as well or only without, and resolves to what was measured; prints as it goes. */
export async function measureCold(tools, directory, { blobBytes, rounds, overLinks }) {
  const scenarios = [...WITHOUT_A_LINK, ...(overLinks ? OVER_LINKS : [])].map((scenario) => ({
    ...scenario,
    title: titleOf(scenario),
  }));
  const upstream = await startUpstream(blobBytes, rounds * 3 * scenarios.length + 3);
  const contenders = await startContenders(tools, directory, upstream);
  for (const contender of contenders) await pull(tools, upstream, contender, scenarios[0]);
  const measured = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const scenario of scenarios) {
      for (const index of contenders.keys()) {
        const contender = contenders[(index + round) % contenders.length];
        if (scenario.isSmaller && contender.name === FETCHES_FOR_EACH) continue;
        const result = await pull(tools, upstream, contender, scenario);
        measured.push({ round, scenario: scenario.title, contender: contender.name, ...result });
        console.log(`round ${round + 1} of ${rounds}, ${scenario.title}, ${contender.name}: ${shown(result)}`);
      }
    }
  }
  const summary = summarize(scenarios, contenders, measured);
  const limits = [...verdicts(summary), ...(overLinks ? verdictsOverLinks(summary) : [])];
  const title = `cold pulls of ${blobBytes / MIB} MiB, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`;
  console.log(`\n${title}\n\n${printable(summary)}\n\n${limits.join('\n')}`);
  return { blobBytes, rounds, summary, measured };
}

function titleOf({ link, clients }) {
  const over = { [NO_LINK]: 'no link', [GIGABIT]: '1 Gbit/s' }[link] ?? `${link} MiB/s`;
  return `${over}, ${clients} ${clients === 1 ? 'client' : 'clients'}`;
}

async function startUpstream(blobBytes, count) {
  const smallerBytes = blobBytes / SMALLER;
  const args = [UPSTREAM, blobBytes, count, smallerBytes, count].map(String);
  const server = start('upstream', process.execPath, args);
  const held = await untilReady(server, async () => server.said.endsWith('\n') && JSON.parse(server.said));
  return { ...held, blobBytes, smallerBytes, origin: `http://127.0.0.1:${held.port}` };
}

async function startContenders(tools, directory, { origin, manifest, small }) {
  const image = { manifest: { digest: manifest }, big: { digest: small } };
  const breakwater = await startBreakwater(directory, origin, image, {});
  const base = new URL(breakwater.urls.blob);
  const proxy = await startDockerRegistry(tools, directory, FETCHES_FOR_EACH, origin);
  const nginx = await startNginxCache(tools, directory, origin);
  return [
    { ...breakwater, blobs: base.href.slice(0, base.href.lastIndexOf('/')), untilCached: untilHit },
    {
      ...proxy,
      blobs: `${proxy.origin}/v2/${NAME}/blobs`,
      untilCached: (_url, digest) => untilStored(proxy.data, digest),
    },
    { ...nginx, blobs: `${nginx.origin}/v2/${NAME}/blobs` },
  ];
}

/** Waits until it is answered from the store. */
async function untilHit(url) {
  for (const deadline = performance.now() + STORED_WITHIN_MS; ; await sleep(10)) {
    const { headers } = await fetch(url, { method: 'HEAD' });
    if (/; hit/.test(headers.get('cache-status') ?? '')) return;
    if (performance.now() > deadline) throw new Error(`HEAD ${url}: it does not become a hit`);
  }
}

async function pull(tools, upstream, { name, pid, blobs, untilCached }, { clients, link, isSmaller }) {
  const digest = (isSmaller ? upstream.smaller : upstream.blobs).pop();
  const url = `${blobs}/${digest}`;
  await fetchHashed(`${upstream.origin}/link?mib=${link}`);
  await (await fetch(`${upstream.origin}/stats`)).json();
  forgetPeak(pid);
  const before = cpuSeconds(pid);
  const began = performance.now();
  await pullBy(tools, url, clients, isSmaller ? upstream.smallerBytes : upstream.blobBytes);
  const seconds = (performance.now() - began) / 1000;
  // What is stored behind the clients' backs is part of the price.
  await untilCached?.(url, digest);
  const cached = untilCached === undefined ? undefined : (performance.now() - began) / 1000;
  const peak = peakMemory(pid);
  const { bytes } = await (await fetch(`${upstream.origin}/stats`)).json();
  await sleep(1_000);
  const cpu = cpuSeconds(pid) - before;
  const answer = await fetchHashed(url);
  if (answer.digest !== digest) throw new Error(`${name} answers ${url} with ${answer.status} and ${answer.digest}`);
  return { seconds, cached, upstream: bytes, cpu, peak };
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
  return scenarios.map(({ title, clients, link }) => ({
    title,
    clients,
    link,
    rows: contenders.flatMap(({ name }) => {
      const found = measured.filter((each) => each.scenario === title && each.contender === name);
      if (found.length === 0) return [];
      const of = (field) => (found[0][field] === undefined ? undefined : median(found.map((each) => each[field])));
      const fields = ['seconds', 'cached', 'upstream', 'cpu', 'peak'];
      return [{ name, ...Object.fromEntries(fields.map((field) => [field, of(field)])) }];
    }),
  }));
}

function printable(summary) {
  const lines = [
    '| link, clients | server | last client done | cached after | from the upstream | server CPU | peak memory |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const { title, rows } of summary) {
    for (const [index, row] of rows.entries()) {
      lines.push(`| ${index === 0 ? title : ''} | ${row.name} | ${cells(row).join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

function cells({ seconds, cached, upstream, cpu, peak }) {
  return [
    `${seconds.toFixed(2)} s`,
    cached === undefined ? '' : `${cached.toFixed(2)} s`,
    `${Math.round(upstream / MIB)} MiB`,
    `${cpu.toFixed(2)} s`,
    `${Math.round(peak / MIB)} MiB`,
  ];
}

function shown(result) {
  return cells(result).filter(Boolean).join(', ');
}

/** How one contender's figure of one scenario stands to another one's. */
function ratio(summary, [link, clients, name], [otherLink, otherClients, otherName], field = 'seconds') {
  const of = (...scenario) =>
    summary
      .find((each) => each.link === scenario[0] && each.clients === scenario[1])
      ?.rows.find((row) => row.name === scenario[2])?.[field] ?? Number.NaN;
  return of(link, clients, name) / of(otherLink, otherClients, otherName);
}

/** The limits as they are worded: between processes of one machine. */
function verdicts(summary) {
  const ours = [NO_LINK, 1, 'breakwater'];
  const docker = [NO_LINK, 1, FETCHES_FOR_EACH];
  const fast = ratio(summary, ours, docker);
  const cached = ratio(summary, ours, docker, 'cached');
  const many = (name) => ratio(summary, [NO_LINK, 200, name], [NO_LINK, 1, name]);
  return [
    `1 client at least as fast as docker-registry: ${fast.toFixed(2)} of its time, ${verdict(fast, 1)}; until it is cached, ${cached.toFixed(2)}`,
    `200 clients within 1.5 times what one takes: ${many('breakwater').toFixed(1)}, ${verdict(many('breakwater'), 1.5)}; docker-registry ${many(FETCHES_FOR_EACH).toFixed(1)}, nginx ${many('nginx').toFixed(1)}`,
  ];
}

/** The same where a link is what limits. */
function verdictsOverLinks(summary) {
  const fast = ratio(summary, [GIGABIT, 1, 'breakwater'], [GIGABIT, 1, FETCHES_FOR_EACH]);
  const many = (name) => ratio(summary, [INTERNET, 200, name], [INTERNET, 1, name]);
  return [
    `  over 1 Gbit/s, 1 client beside docker-registry: ${fast.toFixed(2)} of its time, ${verdict(fast, 1)}`,
    `  over ${INTERNET} MiB/s, 200 clients beside one: ${many('breakwater').toFixed(2)}, ${verdict(many('breakwater'), 1.5)}; nginx ${many('nginx').toFixed(2)}`,
  ];
}

function verdict(found, most) {
  return found <= most ? 'met' : 'NOT MET';
}
