import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BlackHole,
  type BuiltImage,
  type BuiltIndex,
  breakImage,
  buildImage,
  buildIndex,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  pullImage,
  type RawAnswer,
  rawGet,
  selfSignedCertificate,
  startBlackHole,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import type { FaultCase } from './cases.js';
import type { CaseContent, FaultRow, FaultStage } from './fault-row.js';
import { BLACK_HOLE_ADDRESS, Names, UPSTREAM_ADDRESS } from './names.js';
import { Neighbours } from './neighbours.js';
import { OutboundSockets } from './outbound-sockets.js';
import { ToldFailures } from './told-failures.js';

/** Small, so that the deadlines and not the tests are waited for. All below are milliseconds. */
export const DEADLINES = {
  connectMs: 500,
  tlsMs: 400,
  // For all attempts together, with the pauses between them.
  headersMs: 1_800,
  idleMs: 300,
  manifestMs: 2_000,
  // A tenth of it is what a check takes; the rest is for machines that are busy.
  checkBudgetMs: 500,
  clientBudgetMs: 3_000,
};
export const STALENESS_S = 3_600;
/** Longer than any window or Retry-After, and not so long that state A would lapse. */
const PAST_EVERY_WINDOW_S = 16 * 60;
const LATE_FAILURE_MS = 150;

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const PATIENCE_MS = 20_000;
const TAG = 'v1';

const images = contents('now');
const moved = contents('later');

interface Contents {
  readonly image: BuiltImage;
  readonly index: BuiltIndex;
}

function contents(when: string): Contents {
  const image = buildImage({ seed: `faults ${when}`, layers: [12_000, 10] });
  const arm = buildImage({
    seed: `faults ${when}, arm64`,
    layers: [3_000],
    platform: { os: 'linux', architecture: 'arm64' },
  });
  return { image, index: buildIndex([image, arm]) };
}

/** A registry whose clock and names the tests hold. */
export class FaultSite implements AsyncDisposable {
  readonly clock: MovableClock = movableClock(Date.now());
  readonly names = new Names();
  /** Everything that this process connects to, but for our own requests to the registry. */
  readonly outbound = new OutboundSockets();
  /** What is told of failures, by events, log and metrics. */
  readonly told = new ToldFailures();
  #registry: TestRegistry | undefined;
  #neighbours: Neighbours | undefined;
  #repositories = 0;

  async start(): Promise<void> {
    this.#registry = await startTestRegistry({
      clock: this.clock,
      lookup: this.names.lookup,
      logger: this.told.logger,
      deadlines: DEADLINES,
      env: { BREAKWATER_UPSTREAM_ALLOWED_HOSTS: `${BLACK_HOLE_ADDRESS}/32,${UPSTREAM_ADDRESS}/32` },
    });
    this.outbound.countAllBut(Number(new URL(this.#registry.url).port));
    this.told.listenTo(this.#registry);
    this.#neighbours = await Neighbours.start(this.#registry);
  }

  /** Those whom no fault may touch. */
  get neighbours(): Neighbours {
    if (this.#neighbours === undefined) throw new Error('the site is not started');
    return this.#neighbours;
  }

  get registry(): TestRegistry {
    if (this.#registry === undefined) throw new Error('the site is not started');
    return this.#registry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.outbound.stop();
    await this.#registry?.close();
    await this.#neighbours?.[Symbol.asyncDispose]();
  }

  /** An origin and an organization of its own for one row, so that rows do not meet each other's health. */
  async openRow(row: FaultRow, number: number): Promise<RowSite> {
    const hole = row.blackHole === true ? await this.outbound.pausedFor(startBlackHole) : undefined;
    const hostName = `f${number}.upstream.example.test`;
    const certificate = row.tls === true ? selfSignedCertificate({ names: [hostName] }) : undefined;
    const upstream = await startFaultUpstream({
      address: UPSTREAM_ADDRESS,
      hostName,
      clock: this.clock,
      ...(certificate === undefined ? {} : { tls: certificate }),
      ...(row.auth === undefined ? {} : { auth: row.auth }),
      ...(hole === undefined ? {} : { port: hole.port }),
    });
    const organization = await this.registry.proxyOrganization({
      upstream_registry: upstream.host,
      staleness_period_s: STALENESS_S,
      check_interval_s: 0,
      ...(certificate === undefined ? {} : { insecure: false, upstream_ca_pem: certificate.cert }),
      ...row.settings,
    });
    return new RowSite(this, row, upstream, hostName, organization, hole);
  }

  nextRepository(): string {
    this.#repositories += 1;
    return `team/app${this.#repositories}`;
  }

  /** Files that are on their way. */
  async spooled(): Promise<readonly string[]> {
    const names = await readdir(join(this.registry.state.directory, 'spool'));
    return names.filter((name) => !name.startsWith('.'));
  }
}

/** What one row is tried on. */
export class RowSite implements AsyncDisposable {
  constructor(
    private readonly site: FaultSite,
    private readonly row: FaultRow,
    readonly upstream: FaultUpstream,
    readonly hostName: string,
    readonly organization: string,
    private readonly hole: BlackHole | undefined,
  ) {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.upstream.close();
    await this.hole?.close();
  }

  /** Brings a repository into the state in which a case begins, with the upstream in order. */
  async prepare({ state, kind }: FaultCase): Promise<CaseContent> {
    const content = kind === 'index' ? images.index : images.image;
    const repository = this.site.nextRepository();
    const asked = { repository, tag: TAG, content, blob: blobOf(images.image) };
    this.upstream.add(repository, TAG, content);
    if (this.row.cdn === true) this.upstream.redirectBlobsTo();
    if (state === 'C') must(await this.get('GET', `${repository}/manifests/${TAG}`));
    if (state === 'A' || state === 'B') {
      const { problems } = await pullImage(this.site.registry.url, `${this.organization}/${repository}`, TAG);
      if (problems.length > 0) throw new Error(`the image could not be pulled beforehand: ${problems.join('; ')}`);
    }
    this.site.clock.advance({ seconds: state === 'B' ? STALENESS_S + 1 : STALENESS_S / 2 });
    return asked;
  }

  /** Begins the fault. Resolves to what the case asks for, and to what ends it. */
  async begin(asked: CaseContent, { kind, state }: FaultCase) {
    const original = asked.content;
    let now = asked;
    if (this.row.moves === true && kind !== 'blob' && state !== 'D') {
      this.upstream.move(asked.repository, TAG, kind === 'index' ? moved.index : moved.image);
    }
    if (this.row.breaks !== undefined && kind !== 'blob') {
      const content = breakImage(original as BuiltImage, this.row.breaks);
      this.upstream.move(asked.repository, TAG, content);
      if (state === 'D') now = { ...asked, content };
    }
    this.upstream.reset();
    const stage = this.#stage(now);
    const undo = await this.row.begin?.(stage);
    const end = async () => {
      this.upstream.clearFaults();
      this.site.names.heal();
      await undo?.();
      this.upstream.add(asked.repository, this.row.moves === true ? undefined : TAG, original);
      if (this.row.id !== 'F61' && state === 'D') this.upstream.add(asked.repository, TAG, original);
      this.upstream.dropConnections();
      // A check that goes on behind fails now at the latest, and its failure belongs before the end of the window.
      await sleep(this.row.tls === true ? LATE_FAILURE_MS : 0);
      this.site.clock.advance({ seconds: PAST_EVERY_WINDOW_S });
    };
    return { stage, asked: now, end };
  }

  /** Begins the fault of another row, on what this one has. Resolves to what ends it. */
  async flap(row: FaultRow, asked: CaseContent): Promise<() => Promise<void>> {
    const undo = await row.begin?.(this.#stage(asked));
    return async () => {
      this.upstream.clearFaults();
      this.site.names.heal();
      await undo?.();
      this.upstream.add(asked.repository, TAG, asked.content);
      this.upstream.dropConnections();
      this.site.clock.advance({ seconds: PAST_EVERY_WINDOW_S });
    };
  }

  /** A client's request, by code that shares nothing with the product. */
  get(method: 'HEAD' | 'GET', path: string): Promise<RawAnswer> {
    const url = `${this.site.registry.url}/v2/${this.organization}/${path}`;
    return rawGet(url, { method, headers: { accept: ACCEPT }, timeoutMs: PATIENCE_MS });
  }

  /** When the upstream confirmed the tag last, as Postgres has it; `undefined` when it is not cached. */
  async confirmedAt({ repository }: CaseContent): Promise<number | undefined> {
    const { knex } = this.site.registry.state.database;
    const where = { organization: this.organization, repository, tag: TAG };
    const row: { confirmed_at: Date } | undefined = await knex('cached_tag').where(where).first();
    return row?.confirmed_at.getTime();
  }

  #stage(asked: CaseContent): FaultStage {
    const { upstream, hostName } = this;
    return { upstream, hostName, asked, names: this.site.names };
  }
}

/** Path below the organization of what a case asks for. */
export function pathOf({ kind, by }: FaultCase, { repository, tag, content, blob }: CaseContent): string {
  if (kind === 'blob') return `${repository}/blobs/${blob}`;
  return `${repository}/manifests/${by === 'tag' ? tag : content.manifest.digest}`;
}

function blobOf(image: BuiltImage): string {
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('the image has no layer');
  return layer.digest;
}

function must(answer: RawAnswer): void {
  if (answer.status !== 200) throw new Error(`it could not be pulled beforehand: ${answer.status} ${answer.bytes}`);
}
