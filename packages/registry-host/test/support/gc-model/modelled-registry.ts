import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { GcReport } from '@breakwater/gc';
import { type BlobStore, type Digest, type Repository, silentLogger } from '@breakwater/registry-core';
import {
  type FaultHandle,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  type RawAnswer,
  rawGet,
  readBlob,
  registryState,
  repositoryOf,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryState,
} from '@breakwater/test-kit';
import { PostgresBlobRows } from '../../../src/postgres/postgres-blob-rows.js';
import { PostgresManifestStore } from '../../../src/postgres/postgres-manifest-store.js';
import { PostgresUnlinkedManifests } from '../../../src/postgres/postgres-unlinked-manifests.js';
import { createFilesystemContent } from '../../../src/storage/filesystem-content.js';
import { type DatabaseRelay, startDatabaseRelay } from '../database-relay.js';
import { MODEL_IMAGES, MODEL_MANIFESTS } from './model-images.js';
import { GRACE_S, HOLD_S, MODEL_ORGANIZATIONS, MODEL_TAGS, type ModelStep } from './model-steps.js';
import { type ModelVerdict, type ObservedOrganization, ReferenceModel } from './reference-model.js';

/** What went on, for whoever wants to know that the steps came to something. */
export interface ModelCounts {
  collections: number;
  refusedCollections: number;
  crashes: number;
  expired: number;
  freedBlobs: number;
  contractReads: number;
  httpReads: number;
  /** Tags that a collection could have taken, of which nobody outside could know whether it had to. */
  undecided: number;
  held: number;
}

type Extent = (ModelStep & { kind: 'pull' })['extent'];

interface Judged {
  readonly of: Organization;
  readonly verdict: ModelVerdict;
}

interface Organization {
  readonly name: string;
  readonly upstream: FaultUpstream;
  /** Which image each tag of the upstream points to. */
  readonly points: Map<string, number>;
  fault: FaultHandle | undefined;
}

const REPOSITORY = 'app';
const FLUSH_MS = 20;
/** Never within a test: what goes on behind the answers could not be told from outside. */
const NEVER_MS = 2 ** 31 - 1;
const PATIENCE_MS = 20_000;
/** What a run that died holds for so long, ms. */
const DEAD_RUN_MS = 121_000;
const FIRST_SETTINGS = { stalenessS: 3_600, expirationS: 600 };
const ACCEPT = '*/*';

/** A whole registry beside the reference model of what it keeps. Every step is done to both. */
export class ModelledRegistry implements AsyncDisposable {
  readonly counts: ModelCounts = {
    collections: 0,
    refusedCollections: 0,
    crashes: 0,
    expired: 0,
    freedBlobs: 0,
    contractReads: 0,
    httpReads: 0,
    undecided: 0,
    held: 0,
  };
  readonly #model = new ReferenceModel({ graceMs: GRACE_S * 1000, holdMs: HOLD_S * 1000 });
  readonly #manifests: PostgresManifestStore;
  readonly #blobs: BlobStore;
  readonly #organizations: Organization[] = [];

  private constructor(
    private readonly clock: MovableClock,
    private readonly state: TestRegistryState,
    private readonly relay: DatabaseRelay,
    private registry: TestRegistry,
  ) {
    // Stores of our own on the same state: what is read through them never comes from memory or from an upstream.
    const database = state.database.knex;
    this.#manifests = new PostgresManifestStore({ database, clock });
    this.#blobs = createFilesystemContent({
      url: pathToFileURL(join(state.directory, 'storage')).href,
      rows: new PostgresBlobRows({ database, clock }),
      manifests: new PostgresUnlinkedManifests({ database }),
      clock,
      logger: silentLogger,
    }).blobs;
  }

  static async start(): Promise<ModelledRegistry> {
    const clock = movableClock(Date.now());
    const state = await registryState();
    const relay = await startDatabaseRelay(state.database.connection);
    const modelled = new ModelledRegistry(clock, state, relay, await startOn(clock, state, relay));
    for (let at = 0; at < MODEL_ORGANIZATIONS; at += 1) await modelled.#addOrganization();
    return modelled;
  }

  /** Does a step. Throws an error that says what was not as the model has it. */
  async perform(step: ModelStep): Promise<void> {
    switch (step.kind) {
      case 'pull':
        return this.#pull(this.#at(step.organization), step.tag, step.extent);
      case 'pull digest':
        return this.#pullDigest(this.#at(step.organization), imageOf(step.image).manifest.digest, step.extent);
      case 'move': {
        const { upstream, points } = this.#at(step.organization);
        upstream.move(REPOSITORY, step.tag, imageOf(step.image));
        points.set(step.tag, step.image);
        return;
      }
      case 'outage': {
        const of = this.#at(step.organization);
        of.fault ??= of.upstream.fault({ kind: 'status', status: 503 });
        this.#model.setDown(of.name, true);
        return;
      }
      case 'recovery': {
        const of = this.#at(step.organization);
        of.fault?.clear();
        of.fault = undefined;
        this.#model.setDown(of.name, false);
        return;
      }
      case 'settings':
        return this.#set(this.#at(step.organization), step);
      case 'jump':
        // In so much time whatever was to be written has been.
        await this.#untilUsesAreWritten();
        this.clock.advance({ ms: step.ms });
        return;
      case 'pin':
      case 'unpin':
        return this.#pin(this.#at(step.organization), step.tag, step.kind === 'pin');
      case 'crash':
        return this.#crash();
      case 'collect':
        return this.#collect();
      case 'crash while collecting':
        return this.#crashWhileCollecting(step.afterMs);
    }
  }

  /** Pulls over HTTP, by digest, everything that has to be there; the upstreams are not asked for any of it. */
  async readOverHttp(): Promise<void> {
    for (const { name, upstream } of this.#organizations) {
      const { reachable } = this.#model.verdict(name, this.clock.now());
      const before = upstream.requests.length;
      for (const digest of reachable) {
        const isManifest = MODEL_MANIFESTS.has(digest);
        const answer = await this.#get(name, isManifest ? 'manifests' : 'blobs', digest);
        expectAnswer(answer, digest, `${name}: over HTTP`);
        if (isManifest) this.#model.pulledDigest(name, digest, 200, this.clock.now());
        this.counts.httpReads += 1;
      }
      const asked = upstream.requests.slice(before).map(({ method, path }) => `${method} ${path}`);
      if (asked.length > 0) throw new Error(`${name}: the upstream was asked for what is stored: ${asked.join(', ')}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry.close();
    await this.relay[Symbol.asyncDispose]();
    for (const { upstream } of this.#organizations) await upstream.close();
    await this.state.remove();
  }

  async #addOrganization(): Promise<void> {
    const upstream = await startFaultUpstream();
    const points = new Map<string, number>();
    for (const content of MODEL_IMAGES) upstream.add(REPOSITORY, undefined, content);
    for (const [at, tag] of MODEL_TAGS.entries()) {
      upstream.move(REPOSITORY, tag, imageOf(at));
      points.set(tag, at);
    }
    const name = await this.registry.proxyOrganization({
      upstream_registry: upstream.host,
      staleness_period_s: FIRST_SETTINGS.stalenessS,
      expiration_s: FIRST_SETTINGS.expirationS,
      check_interval_s: 30,
    });
    this.#organizations.push({ name, upstream, points, fault: undefined });
    this.#model.add(name, FIRST_SETTINGS);
  }

  async #pull(of: Organization, tag: string, extent: Extent): Promise<void> {
    const answer = await this.#getManifest(of, tag, extent === 'head' ? 'HEAD' : 'GET');
    const served = servedDigest(answer);
    this.#model.pulledTag(of.name, tag, answer.status, served, this.clock.now());
    if (served === undefined) return this.#expectOutage(of, answer, tag);
    await this.#pullBelow(of, served, extent);
  }

  async #pullDigest(of: Organization, digest: string, extent: Extent): Promise<void> {
    const answer = await this.#getManifest(of, digest, extent === 'head' ? 'HEAD' : 'GET');
    this.#model.pulledDigest(of.name, digest, answer.status, this.clock.now());
    if (servedDigest(answer) === undefined) return this.#expectOutage(of, answer, digest);
    await this.#pullBelow(of, digest, extent);
  }

  async #pullBelow(of: Organization, digest: string, extent: Extent): Promise<void> {
    if (extent === 'head' || extent === 'manifest') return;
    const { children = [], blobs = [] } = MODEL_MANIFESTS.get(digest) ?? {};
    const wanted = extent === 'everything' ? children : children.slice(0, 1);
    for (const child of wanted) await this.#pullDigest(of, child, extent);
    for (const blob of blobs) await this.#pullBlob(of, blob);
  }

  async #pullBlob(of: Organization, digest: string): Promise<void> {
    const now = this.clock.now();
    const before = of.upstream.requests.length;
    const answer = await this.#get(of.name, 'blobs', digest);
    if (answer.status !== 200) {
      // A blob that fails shows an outage as a manifest does; one that comes is no word of the registry itself.
      if (of.upstream.requests.length > before) this.#model.asked(of.name, now);
      return this.#expectOutage(of, answer, digest);
    }
    expectAnswer(answer, digest, of.name);
    const isLinked = async () => {
      const rows = await this.state.database.knex('content_link').where({ ...key(of), digest });
      return rows.length > 0;
    };
    // What a collection has unlinked a moment ago may be read for a second more, and is not stored by that.
    if (String(answer.headers['cache-status']).includes('hit') && !(await isLinked())) return;
    // A client has the last byte a moment before the store has.
    await until(`${digest} is stored`, isLinked);
    this.#model.stored(of.name, digest, this.clock.now());
  }

  #expectOutage({ name }: Organization, answer: RawAnswer, what: string): void {
    const said = `${answer.status} ${answer.reasonPhrase} ${answer.bytes.toString()}`;
    if (!this.#model.isDown(name)) throw new Error(`${name}: ${what} was refused while the upstream is up: ${said}`);
  }

  /** Asks for a manifest, and tells the model what came to the upstream of it. */
  async #getManifest(of: Organization, reference: string, method: 'HEAD' | 'GET'): Promise<RawAnswer> {
    const now = this.clock.now();
    const before = of.upstream.requests.length;
    const answer = await this.#get(of.name, 'manifests', reference, method);
    const served = servedDigest(answer);
    if (method === 'GET' && served !== undefined) expectAnswer(answer, served, of.name);
    const isUp = !this.#model.isDown(of.name);
    for (const request of of.upstream.requests.slice(before)) {
      if (request.kind !== 'manifest') continue;
      this.#model.asked(of.name, now);
      if (!isUp || request.reference === undefined) continue;
      const image = of.points.get(request.reference);
      const digest = image === undefined ? request.reference : imageOf(image).manifest.digest;
      if (request.method === 'GET' && answer.status === 200) this.#model.stored(of.name, digest, now);
      if (image !== undefined) this.#model.confirmed(of.name, request.reference, digest, now);
    }
    if (served !== undefined) this.#model.touched(of.name, served, now);
    return answer;
  }

  #get(organization: string, kind: 'manifests' | 'blobs', reference: string, method = 'GET'): Promise<RawAnswer> {
    const url = `${this.registry.url}/v2/${organization}/${REPOSITORY}/${kind}/${reference}`;
    return rawGet(url, { method, headers: { accept: ACCEPT } });
  }

  async #set(of: Organization, step: ModelStep & { kind: 'settings' }): Promise<void> {
    // A use counts by the settings that it was served under, once it is written.
    await this.#untilUsesAreWritten();
    const { stalenessS, expirationS } = step;
    const answer = await this.registry.api('PUT', `/api/v1/organization/${of.name}/proxycache`, {
      staleness_period_s: stalenessS,
      expiration_s: expirationS,
      check_interval_s: Math.min(step.checkIntervalS, stalenessS),
    });
    if (answer.status !== 200) throw new Error(`the settings were refused: ${JSON.stringify(answer.body)}`);
    this.#model.setSettings(of.name, { stalenessS, expirationS });
  }

  async #pin({ name }: Organization, tag: string, pinned: boolean): Promise<void> {
    const path = `/api/v1/organization/${name}/proxycache/${pinned ? 'pin' : 'unpin'}`;
    const body = { references: [`${REPOSITORY}:${tag}`] };
    const answer = await this.registry.api('POST', path, body);
    if (answer.status !== 200) throw new Error(`the pin was refused: ${JSON.stringify(answer.body)}`);
    this.#model.pin(name, tag, pinned);
  }

  /** The process is gone, with all that it had only in memory, and another one begins. */
  async #crash(): Promise<void> {
    this.counts.crashes += 1;
    this.relay.cut();
    await this.registry.close();
    this.relay.restore();
    this.#model.crashed(this.clock.now());
    this.registry = await startOn(this.clock, this.state, this.relay);
  }

  async #crashWhileCollecting(afterMs: number): Promise<void> {
    const verdicts = this.#verdicts();
    const run = this.registry.registry.gc.runOnce().catch((error: unknown) => error);
    await sleep(afterMs);
    this.relay.cut();
    await run;
    await this.#crash();
    this.clock.advance({ ms: DEAD_RUN_MS });
    await this.#compare(verdicts, false);
  }

  async #collect(): Promise<void> {
    const verdicts = this.#verdicts();
    const asked = this.#organizations.map(({ upstream }) => upstream.requests.length);
    const report = await this.registry.registry.gc.runOnce().catch((error: unknown) => {
      if ((error as { code?: string }).code === 'GC_RUNNING') return undefined;
      throw error;
    });
    for (const [at, { name, upstream }] of this.#organizations.entries()) {
      if (upstream.requests.length > (asked[at] ?? 0)) this.#model.asked(name, this.clock.now());
    }
    if (report === undefined) {
      this.counts.refusedCollections += 1;
      return;
    }
    this.#count(report);
    if (report.outcome !== 'done') throw new Error(`the collection came to ${JSON.stringify(report)}`);
    this.#model.leasesWritten();
    await this.#compare(verdicts, true).catch(async (error: unknown) => {
      throw new Error(`${error}\n${await this.#explain()}`, { cause: error });
    });
  }

  /** What the collector itself says of what stays. */
  async #explain(): Promise<string> {
    const { keptTags, links, held } = await this.registry.registry.gc.runOnce({ dryRun: true });
    const now = this.clock.now();
    return [
      `at ${now} a dry run says:`,
      ...[...keptTags, ...held, ...links.kept, ...links.removed].map((each) => JSON.stringify(each)),
    ].join('\n');
  }

  #count(report: GcReport): void {
    this.counts.collections += 1;
    this.counts.expired += report.expiredTotal;
    this.counts.freedBlobs += report.freed.blobs;
    this.counts.held += report.kept.held;
  }

  #verdicts(): readonly Judged[] {
    const now = this.clock.now();
    this.#model.collecting(now);
    return this.#organizations.map((of) => ({ of, verdict: this.#model.verdict(of.name, now) }));
  }

  /** @param isWhole the collection has come to its end, so that what had to go is gone */
  async #compare(verdicts: readonly Judged[], isWhole: boolean): Promise<void> {
    const problems: string[] = [];
    const permitted = new Set<string>();
    for (const { of, verdict } of verdicts) {
      const found = await this.#observe(of);
      const say = (problem: string) => problems.push(`${of.name}: ${problem}`);
      for (const [tag, { fate, digest }] of verdict.tags) {
        const row = found.tags.get(tag);
        if (fate === 'either') this.counts.undecided += 1;
        if (fate === 'stays' && row?.digest !== digest) say(`tag ${tag} is ${row?.digest} and has to be ${digest}`);
        if (fate === 'goes' && isWhole && row !== undefined) say(`tag ${tag} had to go`);
      }
      for (const [digest, fate] of verdict.uses) {
        if (fate === 'goes' && isWhole && found.uses.has(digest)) say(`the use of ${digest} had to go`);
      }
      for (const tag of found.tags.keys()) if (!verdict.tags.has(tag)) say(`tag ${tag} is not known to the model`);
      for (const digest of verdict.reachable) {
        const fault = await this.#readThroughContract(of, digest);
        if (fault !== undefined) say(`${digest} ${fault}`);
      }
      if (isWhole) for (const digest of found.links) if (!verdict.permitted.has(digest)) say(`${digest} had to go`);
      for (const digest of verdict.permitted) permitted.add(digest);
      this.#model.observed(of.name, found);
    }
    if (isWhole) problems.push(...(await this.#leftOver(permitted)));
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  async #readThroughContract(of: Organization, digest: string): Promise<string | undefined> {
    this.counts.contractReads += 1;
    const repository: Repository = { ...repositoryOf(`${of.name}/${REPOSITORY}`), upstream: of.upstream.host };
    const bytes = MODEL_MANIFESTS.has(digest)
      ? (await this.#manifests.get(repository, digest as Digest))?.bytes
      : await readBlob(await this.#blobs.open(repository, digest as Digest), 65_536);
    if (bytes === undefined) return 'is not there';
    return sha256(bytes) === digest ? undefined : 'has other bytes';
  }

  /** Content that takes up space and that nothing may keep. */
  async #leftOver(permitted: ReadonlySet<string>): Promise<readonly string[]> {
    const { knex } = this.state.database;
    const rows = (await knex('manifest').select('digest')) as { digest: string }[];
    const root = join(this.state.directory, 'storage', 'blobs', 'sha256');
    const files = await readdir(root, { recursive: true }).catch(() => []);
    const blobs = files.flatMap((path) => {
      const [, hex, generation] = path.split('/');
      return generation === undefined ? [] : [`sha256:${hex}`];
    });
    return [...rows.map(({ digest }) => digest), ...blobs]
      .filter((digest) => !permitted.has(digest))
      .map((digest) => `${digest} still takes up space`);
  }

  async #observe(of: Organization): Promise<ObservedOrganization> {
    const { knex } = this.state.database;
    const tags = (await knex('cached_tag').where(key(of)).select('tag', 'digest', 'previous_digest')) as {
      readonly tag: string;
      readonly digest: string;
      readonly previous_digest: string | null;
    }[];
    const uses = (await knex('digest_use').where(key(of)).select('digest')) as { readonly digest: string }[];
    const links = (await knex('content_link').where(key(of)).select('digest')) as { readonly digest: string }[];
    return {
      tags: new Map(
        tags.map((row) => [row.tag, { digest: row.digest, previous: row.previous_digest ?? undefined }] as const),
      ),
      uses: new Set(uses.map(({ digest }) => digest)),
      links: new Set(links.map(({ digest }) => digest)),
    };
  }

  /** Uses are written every few seconds; here that is soon, and no clock moves before they are. */
  async #untilUsesAreWritten(): Promise<void> {
    for (const of of this.#organizations) {
      const { tags, uses } = this.#model.unwritten(of.name);
      if (tags.length === 0 && uses.length === 0) continue;
      await until(`the uses of ${of.name} are written`, async () => {
        const { knex } = this.state.database;
        const rows = (await knex('cached_tag').where(key(of)).select('tag', 'last_used_at')) as {
          readonly tag: string;
          readonly last_used_at: Date;
        }[];
        const written = new Map(rows.map((row) => [row.tag, row.last_used_at.getTime()]));
        const used = (await knex('digest_use').where(key(of)).select('digest', 'last_used_at')) as {
          readonly digest: string;
          readonly last_used_at: Date;
        }[];
        const noted = new Map(used.map((row) => [row.digest, row.last_used_at.getTime()]));
        return (
          tags.every(([tag, at]) => (written.get(tag) ?? at) >= at) &&
          uses.every(([digest, at]) => (noted.get(digest) ?? 0) >= at)
        );
      });
    }
    this.#model.usesWritten();
  }

  #at(position: number): Organization {
    const of = this.#organizations[position];
    if (of === undefined) throw new Error(`there is no organization ${position}`);
    return of;
  }
}

function startOn(clock: MovableClock, state: TestRegistryState, relay: DatabaseRelay): Promise<TestRegistry> {
  return startTestRegistry({
    clock,
    on: { ...state, database: { ...state.database, connection: relay.connection } },
    env: { BREAKWATER_GC_GRACE_S: String(GRACE_S), BREAKWATER_GC_HOLD_S: String(HOLD_S) },
    deadlines: { checkBudgetMs: 15_000, clientBudgetMs: 20_000 },
    periods: { tickMs: NEVER_MS, flushMs: FLUSH_MS },
  });
}

function key({ name, upstream }: Organization) {
  return { organization: name, upstream: upstream.host, repository: REPOSITORY };
}

function imageOf(position: number) {
  const image = MODEL_IMAGES[position];
  if (image === undefined) throw new Error(`there is no image ${position}`);
  return image;
}

function servedDigest(answer: RawAnswer): string | undefined {
  const said = answer.headers['docker-content-digest'];
  return answer.status === 200 && typeof said === 'string' ? said : undefined;
}

function expectAnswer(answer: RawAnswer, digest: string, where: string): void {
  if (answer.status === 200 && !answer.cut && `sha256:${answer.sha256}` === digest) return;
  throw new Error(`${where}: ${digest} came as ${answer.status} with ${answer.bytes.byteLength} bytes, not as it is`);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > PATIENCE_MS) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
}
