import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  pushImage,
  rawGet,
  startFaultUpstream,
  type TestRegistry,
} from '@breakwater/test-kit';
import { UPSTREAM_ADDRESS } from './names.js';

const YEAR_S = 365 * 86_400;
const REPOSITORY = 'team/neighbour';
const TAG = 'v1';

/** Whom no fault may touch: an organization whose upstream is in order, and repositories that were pushed. */
export class Neighbours implements AsyncDisposable {
  private constructor(
    private readonly registry: TestRegistry,
    private readonly upstream: FaultUpstream,
    private readonly image: BuiltImage,
    private readonly organizations: readonly string[],
  ) {}

  static async start(registry: TestRegistry): Promise<Neighbours> {
    const image = buildImage({ seed: 'a neighbour', layers: [100] });
    // By its address, for names are among what fails.
    const upstream = await startFaultUpstream({ address: UPSTREAM_ADDRESS });
    upstream.add(REPOSITORY, TAG, image);
    const periods = { staleness_period_s: YEAR_S, check_interval_s: 0 };
    const proxied = await registry.proxyOrganization({ upstream_registry: upstream.host, ...periods });
    const hosted = await registry.hostedOrganization();
    const { url, authorization } = registry;
    await pushImage({ url, name: `${hosted}/${REPOSITORY}`, authorization }, TAG, image);
    return new Neighbours(registry, upstream, image, [proxied, hosted]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.upstream.close();
  }

  /** What a fault of somebody else's upstream has done to them: sentences, none when it is nothing. */
  async faults(): Promise<readonly string[]> {
    const { registry, image, organizations } = this;
    const { authorization } = registry;
    const pulls = organizations.map(async (organization) => {
      const url = `${registry.url}/v2/${organization}/${REPOSITORY}/manifests/${TAG}`;
      const { status, headers, sha256 } = await rawGet(url, { headers: { authorization } });
      const isRight =
        status === 200 && `sha256:${sha256}` === image.manifest.digest && headers['warning'] === undefined;
      return isRight ? [] : [`a neighbour got ${status}, warning ${headers['warning']}`];
    });
    return (await Promise.all(pulls)).flat();
  }
}
