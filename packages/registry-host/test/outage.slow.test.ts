import {
  type BuiltImage,
  buildImage,
  type DockerRegistry,
  describeWith,
  dockerRegistryTool,
  type FaultProxy,
  type HostsEntry,
  hostsEntry,
  hostsFileAccess,
  movableClock,
  type Need,
  rawGet,
  skopeoCopy,
  skopeoPush,
  skopeoTool,
  startDockerRegistry,
  startFaultProxy,
  startTestRegistry,
  type TestRegistry,
  testWith,
} from '@breakwater/test-kit';
import { afterAll, it as always, beforeAll, expect } from '@jest/globals';

// The job that all of this is for, with a foreign registry as upstream and a real client: an image that was pulled once
// goes on being pullable whatever becomes of its upstream.

const S = 3_600;
const IMAGE = 'team/app';
const needs = [skopeoTool(), dockerRegistryTool()];

/** One way in which an upstream fails: how it is brought about behind a proxy, and what a client gets after S. */
interface Outage {
  readonly name: string;
  readonly needs?: Need;
  /** What a client may get after S: the reason by the status. */
  readonly answers: Readonly<Record<number, string>>;
  readonly upstreamStatus?: number;
  /** Whether what is asked still comes to the proxy. */
  readonly reaches: boolean;
  /** The upstream has a name in the hosts file. */
  readonly byName?: boolean;
  begin(upstream: Upstream): Promise<void> | void;
  end?(upstream: Upstream): Promise<void> | void;
}

/** The foreign registry, the proxy that its pulls come through, and the name that the proxy has, if it has one. */
interface Upstream {
  readonly registry: DockerRegistry;
  readonly proxy: FaultProxy;
  readonly host: string;
  readonly entry: HostsEntry | undefined;
}

const statusOutage = (
  status: number,
  headers: Readonly<Record<string, string>> = {},
  name = String(status),
): Outage => ({
  name,
  answers: status === 429 ? { 429: 'rate_limited' } : { 503: 'server_error' },
  upstreamStatus: status,
  reaches: true,
  begin: ({ proxy }) => void proxy.fault({ kind: 'status', status, headers }),
});

const OUTAGES: readonly Outage[] = [
  {
    name: 'the upstream process is killed',
    answers: { 503: 'connect' },
    reaches: true,
    begin: ({ registry }) => registry.kill(),
    end: ({ registry }) => registry.start(),
  },
  {
    name: 'its name is gone from what the system resolver reads',
    needs: hostsFileAccess(),
    // Where a name server is configured that cannot be reached, the system may take longer to give up than we do.
    answers: { 503: 'dns', 504: 'timeout' },
    reaches: false,
    byName: true,
    async begin({ entry, proxy }) {
      await entry?.remove();
      proxy.dropConnections();
    },
    end: ({ entry }) => entry?.restore(),
  },
  statusOutage(500),
  statusOutage(502),
  statusOutage(503),
  statusOutage(504),
  statusOutage(429, { 'retry-after': '30' }, '429 with Retry-After'),
  statusOutage(429, {}, '429 without Retry-After'),
  {
    name: 'it accepts and never answers',
    answers: { 504: 'timeout' },
    reaches: true,
    begin: ({ proxy }) => void proxy.fault({ kind: 'no-answer', by: 'stall' }),
  },
];

describeWith(...needs)('an outage of a foreign upstream', () => {
  const clock = movableClock(Date.now());
  let registry: DockerRegistry;
  let breakwater: TestRegistry;
  let image: BuiltImage;
  /** The organizations whose upstreams were asked for anything, once for each question. */
  const asked: string[] = [];

  beforeAll(async () => {
    registry = await startDockerRegistry();
    image = buildImage({ seed: 1, layers: [200_000, 3_000, 10] });
    expect(await skopeoPush({ image, to: `docker://${registry.host}/${IMAGE}:v1`, tlsVerify: false })).toMatchObject({
      exitCode: 0,
    });
    breakwater = await startTestRegistry({
      clock,
      deadlines: { checkBudgetMs: 400, clientBudgetMs: 8_000, headersMs: 1_500 },
    });
    breakwater.registry.proxyCache.events.on('upstream-request', ({ organization }) => void asked.push(organization));
  }, 60_000);

  afterAll(async () => {
    await breakwater?.close();
    await registry?.stop();
  });

  for (const outage of OUTAGES) {
    // Each outage stands behind a proxy of its own, so that none meets what is known of another's origin.
    const withUpstream = async (run: (upstream: Upstream) => Promise<void>) => {
      await using proxy = await startFaultProxy({ target: registry.origin });
      const name = `upstream-${process.pid}.breakwater.test`;
      await using entry = outage.byName ? await hostsEntry(name, '127.0.0.1') : undefined;
      const upstream = { registry, proxy, entry, host: entry === undefined ? proxy.host : `${name}:${proxy.port}` };
      try {
        await run(upstream);
      } finally {
        proxy.clearFaults();
        await outage.end?.(upstream);
      }
    };
    const test = outage.needs === undefined ? always : testWith(outage.needs);

    test(`${outage.name}: asked, failed, and still served`, () =>
      withUpstream(async (upstream) => {
        const organization = await breakwater.proxyOrganization({
          upstream_registry: upstream.host,
          staleness_period_s: S,
          check_interval_s: 0,
        });
        await pullsWhole(organization);
        clock.advance({ seconds: S / 2 });
        await outage.begin(upstream);
        const { proxy } = upstream;
        proxy.reset();
        const accepted = proxy.acceptedConnections;
        asked.length = 0;
        const before = await shieldedPulls();

        await pullsWhole(organization);

        expect(asked).toContain(organization);
        if (outage.reaches) expect(proxy.count({ kind: 'manifest' })).toBeGreaterThan(0);
        else expect(proxy.acceptedConnections).toBe(accepted);
        expect(proxy.count({ kind: 'blob' })).toBe(0);
        expect(await shieldedPulls()).toBe(before + 1);
        const answer = await manifest(organization);
        expect(answer).toMatchObject({ status: 200, sha256: image.manifest.digest.slice('sha256:'.length) });
        expect(answer.headers['warning']).toMatch(
          /^299 - ".+ cannot be asked .+; serving the copy confirmed 30 min ago"$/,
        );
        expect(Number(answer.headers['age'])).toBe(S / 2);
      }));

    test(`${outage.name}: not asked at all while the tag is fresh`, () =>
      withUpstream(async (upstream) => {
        const organization = await breakwater.proxyOrganization({
          upstream_registry: upstream.host,
          staleness_period_s: S,
        });
        await pullsWhole(organization);
        clock.advance({ seconds: S / 2 });
        await outage.begin(upstream);
        upstream.proxy.reset();
        asked.length = 0;

        await pullsWhole(organization);

        expect(asked).not.toContain(organization);
        expect(upstream.proxy.count()).toBe(0);
        expect((await manifest(organization)).headers['warning']).toBeUndefined();
      }));

    test(`${outage.name}: with a staleness period of 0 the same pull fails`, () =>
      withUpstream(async (upstream) => {
        const organization = await breakwater.proxyOrganization({
          upstream_registry: upstream.host,
          staleness_period_s: 0,
          check_interval_s: 0,
        });
        await pullsWhole(organization);
        clock.advance({ seconds: 1 });
        await outage.begin(upstream);

        await pullFails(organization, outage);
      }));

    test(`${outage.name}: after the staleness period the error passes, and a longer period rescues`, () =>
      withUpstream(async (upstream) => {
        const organization = await breakwater.proxyOrganization({
          upstream_registry: upstream.host,
          staleness_period_s: S,
          check_interval_s: 0,
        });
        await pullsWhole(organization);
        await outage.begin(upstream);

        clock.advance({ seconds: S });
        await pullsWhole(organization);
        clock.advance({ seconds: 1 });
        await pullFails(organization, outage);

        const answer = await manifest(organization);
        const [error] = JSON.parse(answer.bytes.toString()).errors;
        expect(error.detail).toMatchObject({
          reason: outage.answers[answer.status],
          request_id: expect.any(String),
        });
        if (outage.upstreamStatus !== undefined) expect(error.detail.upstream_status).toBe(outage.upstreamStatus);
        expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);

        const raised = await breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, {
          staleness_period_s: 2 * S,
        });
        expect(raised.status).toBe(200);
        await pullsWhole(organization);
      }));

    test(`${outage.name}: once the upstream is back, pulls work at once`, () =>
      withUpstream(async (upstream) => {
        const organization = await breakwater.proxyOrganization({
          upstream_registry: upstream.host,
          staleness_period_s: S,
          check_interval_s: 0,
        });
        await pullsWhole(organization);
        await outage.begin(upstream);
        clock.advance({ seconds: S + 1 });
        await pullFails(organization, outage);

        upstream.proxy.clearFaults();
        await outage.end?.(upstream);
        // A Retry-After is in force until it is over, whatever the upstream would say now.
        if (outage.upstreamStatus === 429) clock.advance({ seconds: 31 });

        await pullsWhole(organization);
        expect((await manifest(organization)).headers['warning']).toBeUndefined();
      }));
  }

  always('an image that is not cached fails within the client budget', async () => {
    await using proxy = await startFaultProxy({ target: registry.origin });
    proxy.fault({ kind: 'no-answer', by: 'stall' });
    const organization = await breakwater.proxyOrganization({ upstream_registry: proxy.host });
    const answer = await manifest(organization);
    expect(answer.status).toBe(504);
    expect(answer.reasonPhrase).toBe('Upstream Timed Out');
    // The budget of this registry ended it: nothing else would have before 20 s.
    expect(answer.endedAfterMs).toBeLessThan(10_000);
    expect(proxy.count({ kind: 'manifest' })).toBe(1);
  });

  always('a tag that moved upstream is seen by the very next pull, and shielded from then on', async () => {
    await using proxy = await startFaultProxy({ target: registry.origin });
    const organization = await breakwater.proxyOrganization({ upstream_registry: proxy.host, check_interval_s: 0 });
    const first = buildImage({ seed: 21 });
    const second = buildImage({ seed: 22 });
    const to = `docker://${registry.host}/team/moving:latest`;
    expect((await skopeoPush({ image: first, to, tlsVerify: false })).exitCode).toBe(0);
    await pullsWhole(organization, first, 'team/moving:latest');
    expect((await skopeoPush({ image: second, to, tlsVerify: false })).exitCode).toBe(0);
    await pullsWhole(organization, second, 'team/moving:latest');
    proxy.fault({ kind: 'status', status: 503 });
    await pullsWhole(organization, second, 'team/moving:latest');
  });

  function manifest(organization: string) {
    return rawGet(`${breakwater.url}/v2/${organization}/${IMAGE}/manifests/v1`);
  }

  async function pullsWhole(organization: string, expected = image, reference = `${IMAGE}:v1`): Promise<void> {
    await using copy = await pull(organization, reference);
    expect({ exitCode: copy.exitCode, stderr: copy.stderr }).toMatchObject({ exitCode: 0 });
    expect(copy.differencesFrom(expected)).toEqual([]);
  }

  /** skopeo tries again for half a minute after a 429 as long as Retry-After says, so there one request has to do. */
  async function pullFails(organization: string, { answers }: Outage): Promise<void> {
    expect(Object.keys(answers)).toContain(String((await manifest(organization)).status));
    if (429 in answers) return;
    await using copy = await pull(organization, `${IMAGE}:v1`);
    expect(copy.exitCode).not.toBe(0);
    expect(copy.manifest).toBeUndefined();
  }

  function pull(organization: string, reference: string) {
    return skopeoCopy({ from: `docker://${breakwater.host}/${organization}/${reference}`, tlsVerify: false });
  }

  async function shieldedPulls(): Promise<number> {
    const { bytes } = await rawGet(`${breakwater.url}/metrics`);
    const counts = bytes.toString().matchAll(/^breakwater_shielded_pulls_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }
});
