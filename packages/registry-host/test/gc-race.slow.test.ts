import { setTimeout as sleep } from 'node:timers/promises';
import { OCI_MANIFEST } from '@breakwater/registry-core';
import {
  type BuiltImage,
  buildImage,
  manifestOf,
  pullImage,
  registryState,
  startFaultUpstream,
  startTestRegistry,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { startRegistryProcess } from './support/registry-process.js';

// Garbage collection every second in two processes, beside cold and cached pulls through both of images that share layers,
// while tags move, expire and are fetched again (G5, G6, F174). `npm run test:gc-race` does it for three minutes.

const SECONDS = Number(process.env['BREAKWATER_TEST_GC_RACE_S'] ?? 36);
/** Longer than a pull takes; what was pulled is under lease for so long, and ten seconds more. */
const GRACE_S = 4;
const ENV = { BREAKWATER_GC_INTERVAL_S: '1', BREAKWATER_GC_GRACE_S: String(GRACE_S) };
/** Repositories are pulled from in turns, one group after the other, so that the others become due meanwhile. */
const GROUPS = 3;
const REPOSITORIES_PER_GROUP = 3;
const TURN_MS = 10_000;
const PULLERS_PER_PROCESS = 3;
const IMAGES_PER_REPOSITORY = 3;
const LAYER = 200_000;

const shared = buildImage({ seed: 'gc-race shared', layers: [LAYER, LAYER, LAYER, LAYER] });

/** An image with a layer of its own and two of those that all share, others from image to image. */
function imageOf(seed: number): BuiltImage {
  const own = buildImage({ seed: `gc-race ${seed}`, layers: [LAYER] });
  const borrowed = shared.layers.filter((_, index) => index === seed % 4 || index === (seed + 1) % 4);
  const layers = [...borrowed, ...own.layers];
  const manifest = manifestOf(OCI_MANIFEST, { schemaVersion: 2, mediaType: OCI_MANIFEST, config: own.config, layers });
  const blobs = new Map([
    ...own.blobs,
    ...[...shared.blobs].filter(([digest]) => layers.some((l) => l.digest === digest)),
  ]);
  return { ...own, manifest, manifests: [manifest], layers, blobs };
}

test('nothing is missing and no body is cut while two processes collect every second', async () => {
  const state = await registryState();
  const upstream = await startFaultUpstream();
  const repositories = Array.from({ length: GROUPS * REPOSITORIES_PER_GROUP }, (_, index) => ({
    name: `team/app${index}`,
    images: Array.from({ length: IMAGES_PER_REPOSITORY }, (_image, at) => imageOf(index * IMAGES_PER_REPOSITORY + at)),
  }));
  const move = (round: number) => {
    for (const { name, images } of repositories) {
      const image = images[round % IMAGES_PER_REPOSITORY];
      if (image !== undefined) upstream.add(name, 'v1', image);
    }
  };
  move(0);
  const organizations = await (async () => {
    await using registry = await startTestRegistry({ on: state });
    const settings = { upstream_registry: upstream.host, staleness_period_s: 1, expiration_s: 1 };
    return [await registry.proxyOrganization(settings), await registry.proxyOrganization(settings)];
  })();
  const { knex } = state.database;
  const deadlocks = async () => {
    const { rows } = await knex.raw('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
    return Number(rows[0].deadlocks);
  };
  const deadlocksBefore = await deadlocks();
  const processes = [
    await startRegistryProcess(state, 30_000, [], ENV),
    await startRegistryProcess(state, 30_000, [], ENV),
  ];
  const problems: string[] = [];
  let pulls = 0;
  let slowPulls = 0;
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  const goesOn = () => elapsed() < SECONDS * 1_000 && problems.length === 0;
  const pulling = async (url: string, at: number) => {
    for (let count = at; goesOn(); count += 1) {
      const group = Math.floor(elapsed() / TURN_MS) % GROUPS;
      const { name } = repositories[group * REPOSITORIES_PER_GROUP + (count % REPOSITORIES_PER_GROUP)] ?? { name: '' };
      const organization = organizations[count % organizations.length];
      // Every body is hashed.
      const pulled = await pullImage(url, `${organization}/${name}`, 'v1');
      problems.push(...pulled.problems.map((each) => `${Math.round(elapsed())} ms, ${organization}/${name}: ${each}`));
      pulls += 1;
      // By digest, as Kubernetes does, and as often not at all.
      if (count % 3 !== 0) continue;
      const again = await pullImage(url, `${organization}/${name}`, `sha256:${pulled.manifest.sha256}`);
      problems.push(...again.problems.map((each) => `${Math.round(elapsed())} ms, by digest: ${each}`));
    }
  };
  // A client that has the manifest and is slow with the rest, while the tag moves on, of what the upstream has no more: only
  // the lease keeps it.
  const pullingSlowly = async (url: string, other: string, at: number) => {
    for (let count = 0; goesOn(); count += 1) {
      const name = `slow/app${at}-${count}`;
      const place = `${organizations[0]}/${name}`;
      const [before, after] = [imageOf(1_000 + 2 * count), imageOf(1_001 + 2 * count)];
      upstream.add(name, 'v1', before);
      const pulled = await pullImage(url, place, 'v1');
      upstream.remove(name);
      upstream.add(name, 'v1', after);
      await sleep(1_200);
      const moved = await pullImage(url, place, 'v1');
      await sleep(2_500);
      const rest = await pullImage(other, place, before.manifest.digest);
      const all = [...pulled.problems, ...moved.problems, ...rest.problems];
      problems.push(...all.map((each) => `${Math.round(elapsed())} ms, slowly, ${place}: ${each}`));
      slowPulls += 1;
    }
  };
  const moving = async () => {
    for (let round = 1; goesOn(); round += 1) {
      await sleep(1_500);
      move(round);
    }
  };
  try {
    await Promise.all([
      moving(),
      ...processes.map(({ url }, at) => pullingSlowly(url, processes[1 - at]?.url ?? url, at)),
      ...processes.flatMap(({ url }) => Array.from({ length: PULLERS_PER_PROCESS }, (_, at) => pulling(url, at))),
    ]);
    expect(problems).toEqual([]);
    // What was tested did happen: both processes collected, content was freed, and what was freed was fetched again.
    const runs = await knex('gc_run').select('holder', 'state').count('* as count').groupBy('holder', 'state');
    const freed = await knex('gc_deletion').where({ kind: 'blob_content', state: 'done' }).count('* as count').first();
    const again = await knex('gc_deletion as d')
      .where({ kind: 'blob_content', 'd.state': 'done', 'b.state': 'live' })
      .join('blob as b', 'b.digest', 'd.digest')
      .countDistinct('d.digest as count')
      .first();
    const numbers = `${freed?.['count']} blobs freed, ${again?.['count']} of them stored again`;
    expect(slowPulls).toBeGreaterThan(0);
    say(`${pulls} pulls and ${slowPulls} slow ones in ${SECONDS} s, ${numbers}: ${JSON.stringify(runs)}`);
    expect(runs.every((run) => ['done', 'running'].includes(String(run['state'])))).toBe(true);
    expect(new Set(runs.map(({ holder }) => holder)).size).toBe(2);
    expect(Number(freed?.['count'])).toBeGreaterThan(0);
    expect(Number(again?.['count'])).toBeGreaterThan(0);
    expect(await deadlocks()).toBe(deadlocksBefore);
  } finally {
    for (const each of processes) await each.kill();
    await upstream.close();
    await state.remove();
  }
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
