import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildImage,
  type FaultUpstream,
  podmanTool,
  runProgram,
  skopeoTool,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  testWith,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ClientSnippet, clientSnippets } from '../src/clients/client-snippets.js';

// What the page tells clients to write down, written down and used by the clients that run here. The upstream speaks plain
// http, and no snippet says so to the client: what is pulled has come through the mirror.

let upstream: FaultUpstream;
let breakwater: TestRegistry;
let directory: string;
let snippets: readonly ClientSnippet[];
let robot: { readonly name: string; readonly token: string };

beforeAll(async () => {
  upstream = await startFaultUpstream();
  // The image that the snippets have for an upstream that nobody knows.
  upstream.add('team/app', 'latest', buildImage({ seed: 'snippets' }));
  breakwater = await startTestRegistry();
  const organization = await breakwater.proxyOrganization({ upstream_registry: upstream.host, anonymous_pull: false });
  // As the first snippet says.
  const made = await breakwater.api('PUT', `/api/v1/organization/${organization}/robots/puller`, { role: 'read' });
  robot = made.body as typeof robot;
  snippets = clientSnippets({
    registryUrl: breakwater.url,
    organization,
    upstream: upstream.host,
    anonymousPull: false,
  });
  directory = await mkdtemp(join(tmpdir(), 'breakwater-snippets-'));
  await writeFile(join(directory, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await writeFile(join(directory, '50-breakwater.conf'), textOf('podman'));
}, 60_000);

afterAll(async () => {
  await breakwater?.close();
  await upstream?.close();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

const textOf = (id: string) => snippets.find((each) => each.id === id)?.text ?? '';
const policy = () => join(directory, 'policy.json');
const run = (program: string, args: readonly string[]) =>
  runProgram(program, args, {
    env: {
      HOME: directory,
      XDG_RUNTIME_DIR: directory,
      TMPDIR: directory,
      REGISTRY_AUTH_FILE: join(directory, 'auth.json'),
      // Podman reads it; skopeo has a flag.
      CONTAINERS_REGISTRIES_CONF: join(directory, '50-breakwater.conf'),
    },
  });
const store = (name: string) => [
  ...['--root', join(directory, name), '--runroot', join(directory, `${name}-run`), '--storage-driver', 'vfs'],
];
const login = (password: string) =>
  run('podman', ['login', '--tls-verify=false', '-u', robot.name, '-p', password, breakwater.host]);

testWith(podmanTool())(
  'podman: sign in and pull as the snippets say, also without the upstream',
  async () => {
    expect((await login('a wrong one')).exitCode).not.toBe(0);
    const pull = async (image: string, into: string, ...flags: readonly string[]) =>
      run('podman', [...store(into), 'pull', '--signature-policy', policy(), ...flags, image]);
    const there = `${upstream.host}/team/app:latest`;
    expect((await pull(there, 'refused')).exitCode).not.toBe(0);
    expect((await login(robot.token)).exitCode).toBe(0);
    // By the name that Docker is told, and by the name of the upstream through the mirror.
    const [signIn, dockerPull = ''] = textOf('docker').split('\n');
    expect(signIn).toBe(`docker login -u '${robot.name}' ${breakwater.host}`);
    const here = dockerPull.replace('docker pull ', '');
    expect(await pull(here, 'by-name', '--tls-verify=false')).toMatchObject({ exitCode: 0 });
    expect(await pull(there, 'by-mirror')).toMatchObject({ exitCode: 0 });
    await upstream.kill();
    try {
      expect(await pull(there, 'in-an-outage')).toMatchObject({ exitCode: 0 });
    } finally {
      await upstream.revive();
    }
  },
  120_000,
);

testWith(podmanTool(), skopeoTool())(
  'skopeo: through the mirror of the snippet',
  async () => {
    expect((await login(robot.token)).exitCode).toBe(0);
    const copy = (to: string, mirror: boolean) => {
      const conf = mirror ? ['--registries-conf', join(directory, '50-breakwater.conf')] : [];
      const flags = ['--policy', policy(), '--override-os', 'linux', '--override-arch', 'amd64', ...conf];
      const image = `docker://${upstream.host}/team/app:latest`;
      return run('skopeo', [...flags, 'copy', image, `dir:${join(directory, to)}`]);
    };
    expect((await copy('without', false)).exitCode).not.toBe(0);
    expect(await copy('with', true)).toMatchObject({ exitCode: 0 });
  },
  60_000,
);

test('the files are where each client looks, and what is JSON is JSON', () => {
  expect(snippets.map(({ id, place }) => [id, place])).toEqual([
    ['robot', expect.stringContaining('Shell')],
    ['docker', 'Shell'],
    ['podman', '/etc/containers/registries.conf.d/50-breakwater.conf'],
    ['containerd', `/etc/containerd/certs.d/${upstream.host}/hosts.toml`],
    ['buildkit', '/etc/buildkit/buildkitd.toml'],
    ['k3s', '/etc/rancher/k3s/registries.yaml'],
    ['kubernetes', 'Shell'],
  ]);
});
