import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  type ProgramResult,
  pushImage,
  runProgram,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';

/** In which state of the registry a client is tried. */
export type State = 'hosted' | 'proxied' | 'outage';

export const STATES: readonly State[] = ['hosted', 'proxied', 'outage'];

/** A registry with the same image in a hosted organization and behind a proxy organization, and a place for clients. */
export interface ClientSite extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly upstream: FaultUpstream;
  readonly image: BuiltImage;
  /** What clients keep: one directory, gone with the site. */
  readonly directory: string;
  /** `<organization>/team/app` */
  name(state: State): string;
  /** The `user:password` that opens hosted organizations. */
  readonly creds: string;
  /** A file with a registries.conf in which `mirrored.test/team/app` has this registry as its mirror. */
  mirrorConf(state: State): Promise<string>;
}

/** Runs a client with nothing of this machine's own configuration. */
export function runClient(
  site: ClientSite,
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  const home = { HOME: site.directory, XDG_RUNTIME_DIR: join(site.directory, 'run'), TMPDIR: site.directory };
  return runProgram(program, args, { env: { ...home, ...env }, timeoutMs: 60_000 });
}

/** What a client said, when it failed. */
export function problemIn({ exitCode, stderr, stdout }: ProgramResult): string | undefined {
  if (exitCode === 0) return undefined;
  const lines = `${stderr}\n${stdout}`.trim().split('\n');
  return `status ${exitCode}: ${lines.at(-1)?.slice(0, 300)}`;
}

/** The default organization: clients that can name none mean Docker Hub. */
const PROXIED = 'dockerhub';

async function proxyOrganization(registry: TestRegistry, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const made = await registry.api('POST', '/api/v1/organization/', { name: PROXIED });
  const configured = await registry.api('POST', `/api/v1/organization/${PROXIED}/proxycache`, settings);
  if (made.status === 201 && configured.status === 201) return;
  throw new Error(`${PROXIED} could not be made: ${JSON.stringify([made.body, configured.body])}`);
}

export async function startClientSite(): Promise<ClientSite> {
  const upstream = await startFaultUpstream();
  const image = buildImage({ seed: 'clients', layers: [50_000, 2_000] });
  upstream.add('team/app', 'v1', image);
  const registry = await startTestRegistry({ env: { BREAKWATER_DEFAULT_ORGANIZATION: PROXIED } });
  const hosted = await registry.hostedOrganization();
  await proxyOrganization(registry, {
    upstream_registry: upstream.host,
    insecure: true,
    anonymous_pull: true,
    check_interval_s: 0,
    staleness_period_s: 86_400,
  });
  const { url, authorization, administrator } = registry;
  await pushImage({ url, name: `${hosted}/team/app`, authorization }, 'v1', image);
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-clients-'));
  await mkdir(join(directory, 'run'), { mode: 0o700 });
  await writeFile(join(directory, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  const name = (state: State) => `${state === 'hosted' ? hosted : PROXIED}/team/app`;
  return {
    registry,
    upstream,
    image,
    directory,
    name,
    creds: `${administrator.username}:${administrator.password}`,
    async mirrorConf(state) {
      const file = join(directory, `registries-${state}.conf`);
      const mirror = `${registry.host}/${name(state).split('/')[0]}`;
      await writeFile(
        file,
        `[[registry]]\nprefix = "mirrored.test"\nlocation = "127.0.0.1:1"\ninsecure = true\n` +
          `[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true\n`,
      );
      return file;
    },
    async [Symbol.asyncDispose]() {
      await registry.close();
      await upstream.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
