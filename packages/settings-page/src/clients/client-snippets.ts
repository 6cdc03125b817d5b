/** What a client has to be told, ready to be copied. */
export interface ClientSnippet {
  readonly id: string;
  readonly title: string;
  /** Where it goes: a file, or a shell. */
  readonly place: string;
  readonly text: string;
  /** What else has to be done, or is worth knowing. */
  readonly note?: string;
}

/** What snippets are made of. */
export interface SnippetFacts {
  /** `http://127.0.0.1:5000` or `https://registry.example.com`: where clients reach the registry. */
  readonly registryUrl: string;
  readonly organization: string;
  /** `host[:port][/namespace]` */
  readonly upstream: string;
}

/** Set-up of the usual clients for one organization. Names of images are examples. */
export function clientSnippets({ registryUrl, organization, upstream }: SnippetFacts): readonly ClientSnippet[] {
  const { host, protocol } = new URL(registryUrl);
  const plain = protocol === 'http:';
  const upstreamHost = upstream.split('/')[0] ?? upstream;
  const image = exampleImage(upstreamHost);
  const here = `${host}/${organization}/${image}`;
  const there = `${upstream}/${image}`;
  return [
    ...(upstream === 'docker.io' ? [dockerMirror(registryUrl, organization)] : []),
    {
      id: 'docker',
      title: 'Docker',
      place: 'Shell',
      text: `docker login ${host}\ndocker pull ${here}`,
      note: plain ? `Plain http: name "${host}" in "insecure-registries" of /etc/docker/daemon.json first.` : undefined,
    },
    {
      id: 'podman',
      title: 'Podman, CRI-O, Buildah, Skopeo',
      place: '/etc/containers/registries.conf.d/50-breakwater.conf',
      text: [
        '[[registry]]',
        `prefix = "${upstream}"`,
        `location = "${upstream}"`,
        '',
        '[[registry.mirror]]',
        `location = "${host}/${organization}"`,
        ...(plain ? ['insecure = true'] : []),
      ].join('\n'),
      note: `Then ${there} is pulled through here, and from ${upstreamHost} itself only if that fails. Sign in with: podman login ${host}`,
    },
    {
      id: 'containerd',
      title: 'containerd',
      place: `/etc/containerd/certs.d/${upstreamHost}/hosts.toml`,
      text: [
        `server = "https://${upstreamHost === 'docker.io' ? 'registry-1.docker.io' : upstreamHost}"`,
        '',
        `[host."${registryUrl}/v2/${organization}"]`,
        '  capabilities = ["pull", "resolve"]',
        '  override_path = true',
        '  dial_timeout = "2s"',
      ].join('\n'),
      note: 'Read at every pull; nothing has to be started again. [plugins."io.containerd.cri.v1.images".registry] must have config_path = "/etc/containerd/certs.d".',
    },
    {
      id: 'buildkit',
      title: 'BuildKit',
      place: '/etc/buildkit/buildkitd.toml',
      text: [
        `[registry."${upstreamHost}"]`,
        `  mirrors = ["${host}/${organization}"]`,
        ...(plain ? ['', `[registry."${host}"]`, '  http = true'] : []),
      ].join('\n'),
    },
    {
      id: 'k3s',
      title: 'k3s',
      place: '/etc/rancher/k3s/registries.yaml',
      text: [
        'mirrors:',
        `  ${upstreamHost}:`,
        '    endpoint:',
        `      - "${registryUrl}"`,
        '    rewrite:',
        `      "^(.*)$": "${organization}/$1"`,
        'configs:',
        `  "${host}":`,
        '    auth:',
        '      username: USER',
        '      password: PASSWORD',
      ].join('\n'),
      note: 'Start k3s again afterwards.',
    },
    {
      id: 'kubernetes',
      title: 'Kubernetes pull secret',
      place: 'Shell',
      text: [
        'kubectl create secret docker-registry breakwater \\',
        `  --docker-server=${host} \\`,
        '  --docker-username=USER \\',
        '  --docker-password=PASSWORD',
        `kubectl patch serviceaccount default -p '{"imagePullSecrets": [{"name": "breakwater"}]}'`,
      ].join('\n'),
      note: `For pods that name ${here} themselves.`,
    },
  ];
}

/** Docker has mirrors for Docker Hub only. */
function dockerMirror(registryUrl: string, organization: string): ClientSnippet {
  return {
    id: 'docker-mirror',
    title: 'Docker, for all of Docker Hub',
    place: '/etc/docker/daemon.json',
    text: JSON.stringify({ 'registry-mirrors': [`${registryUrl}/${organization}`] }, undefined, 2),
    note:
      'Needs the containerd image store of Docker, and pulls without signing in. Then docker pull nginx comes through ' +
      'here. Start Docker again afterwards.',
  };
}

function exampleImage(upstreamHost: string): string {
  const known: Readonly<Record<string, string>> = {
    'docker.io': 'library/nginx:latest',
    'quay.io': 'prometheus/prometheus:latest',
    'registry.k8s.io': 'pause:3.10',
  };
  return known[upstreamHost] ?? 'team/app:latest';
}
