import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildahTool, type Need, podmanTool, skopeoTool, writeDirectoryLayout } from '@breakwater/test-kit';
import { type ClientSite, problemIn, runClient, type State } from './client-site.js';

/** What a real client is asked to do, in each state that means something for it. */
export interface ClientOperation {
  readonly client: string;
  readonly does: string;
  readonly need: Need;
  readonly states: readonly State[];
  /** What went wrong; `undefined` when nothing did. */
  run(site: ClientSite, state: State): Promise<string | undefined>;
}

const PULLED: readonly State[] = ['hosted', 'proxied', 'outage'];

/** Proxied content is for anybody; hosted content wants a password. */
const credsOf = (site: ClientSite, state: State, flag = '--creds') =>
  state === 'hosted' ? [`${flag}=${site.creds}`] : [];
const imageOf = (site: ClientSite, state: State) => `${site.registry.host}/${site.name(state)}:v1`;

async function skopeo(site: ClientSite, args: readonly string[]) {
  const common = [
    '--policy',
    join(site.directory, 'policy.json'),
    '--override-os',
    'linux',
    '--override-arch',
    'amd64',
  ];
  return runClient(site, 'skopeo', [...common, ...args]);
}

/** Each call has a store of its own, so that nothing is pulled that is there already. */
async function store(site: ClientSite): Promise<readonly string[]> {
  const home = await mkdtemp(join(site.directory, 's'));
  return ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs'];
}

async function inStore(site: ClientSite, program: string, args: readonly string[], env: Record<string, string> = {}) {
  const policy = ['--signature-policy', join(site.directory, 'policy.json')];
  const [verb = '', ...rest] = args;
  return runClient(site, program, [...(await store(site)), verb, ...policy, ...rest], env);
}

const skopeoOperations: readonly Omit<ClientOperation, 'client' | 'need'>[] = [
  {
    does: 'copy',
    states: PULLED,
    async run(site, state) {
      const to = await mkdtemp(join(site.directory, 'copy'));
      const from = `docker://${imageOf(site, state)}`;
      const flags = ['--src-tls-verify=false', ...credsOf(site, state, '--src-creds')];
      const result = await skopeo(site, ['copy', ...flags, from, `dir:${to}`]);
      const problem = problemIn(result);
      if (problem !== undefined) return problem;
      const manifest = await readFile(join(to, 'manifest.json'));
      return manifest.equals(site.image.manifest.bytes) ? undefined : 'the manifest is another one';
    },
  },
  {
    does: 'inspect',
    states: PULLED,
    async run(site, state) {
      const flags = ['--tls-verify=false', ...credsOf(site, state)];
      const result = await skopeo(site, ['inspect', ...flags, `docker://${imageOf(site, state)}`]);
      if (result.exitCode !== 0) return problemIn(result);
      const { Digest } = JSON.parse(result.stdout);
      return Digest === site.image.manifest.digest ? undefined : `the digest is ${Digest}`;
    },
  },
  {
    does: 'list-tags',
    states: PULLED,
    async run(site, state) {
      const flags = ['--tls-verify=false', ...credsOf(site, state)];
      const repository = `docker://${site.registry.host}/${site.name(state)}`;
      const result = await skopeo(site, ['list-tags', ...flags, repository]);
      if (result.exitCode !== 0) return problemIn(result);
      const { Tags } = JSON.parse(result.stdout);
      return JSON.stringify(Tags) === '["v1"]' ? undefined : `the tags are ${JSON.stringify(Tags)}`;
    },
  },
  {
    does: 'sync',
    states: PULLED,
    async run(site, state) {
      const to = await mkdtemp(join(site.directory, 'sync'));
      const flags = ['--src-tls-verify=false', ...credsOf(site, state, '--src-creds')];
      const repository = `${site.registry.host}/${site.name(state)}`;
      return problemIn(await skopeo(site, ['sync', '--src', 'docker', '--dest', 'dir', ...flags, repository, to]));
    },
  },
];

const podmanOperations: readonly Omit<ClientOperation, 'client' | 'need'>[] = [
  {
    does: 'pull by name',
    states: PULLED,
    async run(site, state) {
      const flags = ['--tls-verify=false', ...credsOf(site, state)];
      return problemIn(await inStore(site, 'podman', ['pull', ...flags, imageOf(site, state)]));
    },
  },
  {
    does: 'pull by mirror',
    states: ['proxied', 'outage'],
    async run(site, state) {
      const env = { CONTAINERS_REGISTRIES_CONF: await site.mirrorConf(state) };
      return problemIn(await inStore(site, 'podman', ['pull', 'mirrored.test/team/app:v1'], env));
    },
  },
  {
    does: 'login',
    states: ['hosted'],
    async run(site) {
      const [username = '', password = ''] = site.creds.split(':');
      const authFile = join(site.directory, 'auth.json');
      const login = (given: string) =>
        runClient(site, 'podman', [
          'login',
          '--tls-verify=false',
          '--authfile',
          authFile,
          '-u',
          username,
          '-p',
          given,
          site.registry.host,
        ]);
      if ((await login('wrong')).exitCode === 0) return 'a wrong password was taken';
      return problemIn(await login(password));
    },
  },
  {
    does: 'push',
    states: ['hosted'],
    async run(site) {
      const storage = await store(site);
      const policy = ['--signature-policy', join(site.directory, 'policy.json')];
      const creds = [`--creds=${site.creds}`, '--tls-verify=false'];
      const pulled = await runClient(site, 'podman', [
        ...storage,
        'pull',
        ...policy,
        ...creds,
        imageOf(site, 'hosted'),
      ]);
      if (pulled.exitCode !== 0) return problemIn(pulled);
      const to = `docker://${site.registry.host}/${site.name('hosted')}-podman:v1`;
      const push = ['push', ...policy, ...creds, imageOf(site, 'hosted'), to];
      return problemIn(await runClient(site, 'podman', [...storage, ...push]));
    },
  },
];

const buildahOperations: readonly Omit<ClientOperation, 'client' | 'need'>[] = [
  {
    does: 'from',
    states: PULLED,
    async run(site, state) {
      const flags = ['--tls-verify=false', ...credsOf(site, state)];
      return problemIn(await inStore(site, 'buildah', ['from', ...flags, imageOf(site, state)]));
    },
  },
  {
    does: 'push',
    states: ['hosted'],
    async run(site) {
      const layout = join(site.directory, 'layout');
      await mkdir(layout, { recursive: true });
      await writeDirectoryLayout(site.image, layout);
      const storage = await store(site);
      const policy = ['--signature-policy', join(site.directory, 'policy.json')];
      const pulled = await runClient(site, 'buildah', [...storage, 'pull', ...policy, `dir:${layout}`]);
      if (pulled.exitCode !== 0) return problemIn(pulled);
      const to = `docker://${site.registry.host}/${site.name('hosted')}-buildah:v1`;
      const push = ['push', ...policy, `--creds=${site.creds}`, '--tls-verify=false', pulled.stdout.trim(), to];
      return problemIn(await runClient(site, 'buildah', [...storage, ...push]));
    },
  },
];

/** Everything that the clients of Debian's containers tools are tried with. */
export const CLIENT_OPERATIONS: readonly ClientOperation[] = [
  ...skopeoOperations.map((each) => ({ client: 'skopeo', need: skopeoTool(), ...each })),
  ...podmanOperations.map((each) => ({ client: 'podman', need: podmanTool(), ...each })),
  ...buildahOperations.map((each) => ({ client: 'buildah', need: buildahTool(), ...each })),
];
