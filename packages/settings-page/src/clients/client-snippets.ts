/** What a client has to be told, ready to be copied. */
export interface ClientSnippet {
  readonly id: string;
  readonly title: string;
  /** Where it goes: a file, or a shell. */
  readonly place: string;
  /** `undefined` for a client that cannot be set up; the note says why. */
  readonly text: string | undefined;
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
  /** Whether pulls need no credentials. Without it every client gets some, or is refused here and goes past the cache. */
  readonly anonymousPull: boolean;
}

/** The same, taken apart. */
interface Names {
  readonly registryUrl: string;
  /** `host[:port]` of this registry. */
  readonly host: string;
  readonly isPlain: boolean;
  readonly organization: string;
  readonly upstream: string;
  /** The host that images of the upstream are named by, and what is before their names there. */
  readonly upstreamHost: string;
  readonly namespace: string;
  /** An image by its name in the organization. */
  readonly image: string;
  readonly anonymousPull: boolean;
  /** Who pulls, where nobody may pull without signing in. */
  readonly robot: string;
}

/** All of them are Docker Hub; clients know its images as those of docker.io. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];
/** The account that the snippets make and use. */
const ROBOT = 'puller';

/** Set-up of the usual clients for one organization. Names of images are examples. */
export function clientSnippets(facts: SnippetFacts): readonly ClientSnippet[] {
  const names = namesOf(facts);
  return [
    ...(names.anonymousPull ? [] : [robot(names)]),
    ...(names.upstreamHost === 'docker.io' && names.namespace === '' ? [dockerMirror(names)] : []),
    docker(names),
    podman(names),
    containerd(names),
    buildkit(names),
    k3s(names),
    kubernetes(names),
  ];
}

function namesOf({ registryUrl, organization, upstream, anonymousPull }: SnippetFacts): Names {
  const { host, protocol } = new URL(registryUrl);
  const [address = upstream, ...path] = upstream.split('/');
  const upstreamHost = DOCKER_HUB.includes(address) ? 'docker.io' : address;
  const namespace = path.join('/');
  return {
    registryUrl,
    host,
    isPlain: protocol === 'http:',
    organization,
    upstream: [upstreamHost, ...path].join('/'),
    upstreamHost,
    namespace,
    image: exampleImage(upstreamHost, namespace),
    anonymousPull,
    robot: `${organization}+${ROBOT}`,
  };
}

/** An account for machines. */
function robot({ registryUrl, organization, robot: name }: Names): ClientSnippet {
  return {
    id: 'robot',
    title: 'An account that may pull',
    place: 'Shell, once; ADMIN is an administrator of the organization',
    text: [
      `curl -u ADMIN -X PUT ${registryUrl}/api/v1/organization/${organization}/robots/${ROBOT} \\`,
      `  -H 'content-type: application/json' -d '{"role": "read"}'`,
    ].join('\n'),
    note: `Its name is ${name}. The answer shows its token this once: it is the TOKEN below.`,
  };
}

/** Docker has mirrors for Docker Hub only, and signs in at Docker Hub only. */
function dockerMirror({ registryUrl, organization, anonymousPull }: Names): ClientSnippet {
  const about = { id: 'docker-mirror', title: 'Docker, for all of Docker Hub', place: '/etc/docker/daemon.json' };
  if (!anonymousPull) {
    return {
      ...about,
      text: undefined,
      note:
        'Not possible while pulls need signing in: Docker sends "registry-mirrors" no credentials of theirs, is refused, ' +
        'and pulls from Docker Hub without a word. Name the images as below, or allow pulls without signing in.',
    };
  }
  return {
    ...about,
    text: JSON.stringify({ 'registry-mirrors': [`${registryUrl}/${organization}`] }, undefined, 2),
    note: 'Needs the containerd image store of Docker. Then docker pull nginx comes through here. Start Docker again afterwards.',
  };
}

function docker({ host, isPlain, organization, image, anonymousPull, robot: name }: Names): ClientSnippet {
  const signIn = anonymousPull ? [] : [`docker login -u '${name}' ${host}`];
  return {
    id: 'docker',
    title: 'Docker',
    place: 'Shell',
    text: [...signIn, `docker pull ${host}/${organization}/${image}`].join('\n'),
    ...(isPlain
      ? { note: `Plain http: name "${host}" in "insecure-registries" of /etc/docker/daemon.json first.` }
      : {}),
  };
}

function podman(names: Names): ClientSnippet {
  const { host, isPlain, organization, upstream, upstreamHost, image, anonymousPull } = names;
  const fallback = `Then ${upstream}/${image} is pulled through here, and from ${upstreamHost} itself only if that fails.`;
  const signIn =
    `Sign in with podman login -u '${names.robot}' ${host}; for CRI-O put that into the file of its "global_auth_file". ` +
    'Without that every pull is refused here, and goes past the cache.';
  return {
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
      ...(isPlain ? ['insecure = true'] : []),
    ].join('\n'),
    note: anonymousPull ? fallback : `${fallback} ${signIn}`,
  };
}

/**
 * containerd puts the whole name that the image has at the upstream behind the path of the host. The organization has its
 * images without the namespace, so that where there is one the registry finds the organization by the upstream's name (`ns`).
 */
function containerd(names: Names): ClientSnippet {
  const { registryUrl, organization, upstreamHost, namespace, anonymousPull, robot: name } = names;
  const host = namespace === '' ? `${registryUrl}/v2/${organization}` : registryUrl;
  const server = upstreamHost === 'docker.io' ? 'registry-1.docker.io' : upstreamHost;
  const note =
    'Read at every pull; nothing has to be started again. [plugins."io.containerd.cri.v1.images".registry] must have ' +
    'config_path = "/etc/containerd/certs.d".';
  return {
    id: 'containerd',
    title: 'containerd',
    place: `/etc/containerd/certs.d/${upstreamHost}/hosts.toml`,
    text: [
      `server = "https://${server}"`,
      '',
      `[host."${host}"]`,
      '  capabilities = ["pull", "resolve"]',
      ...(namespace === '' ? ['  override_path = true'] : []),
      '  dial_timeout = "2s"',
      ...(anonymousPull ? [] : [`  [host."${host}".header]`, '    authorization = "Basic CREDENTIALS"']),
    ].join('\n'),
    note: anonymousPull ? note : `CREDENTIALS are what printf '${name}:TOKEN' | base64 -w0 prints. ${note}`,
  };
}

/** BuildKit sends the whole name as well, and says which upstream it means. */
function buildkit({ host, isPlain, organization, upstreamHost, namespace, ...names }: Names): ClientSnippet {
  return {
    id: 'buildkit',
    title: 'BuildKit',
    place: '/etc/buildkit/buildkitd.toml',
    text: [
      `[registry."${upstreamHost}"]`,
      `  mirrors = ["${namespace === '' ? `${host}/${organization}` : host}"]`,
      ...(isPlain ? ['', `[registry."${host}"]`, '  http = true'] : []),
    ].join('\n'),
    ...(names.anonymousPull
      ? {}
      : {
          note: `Where the build is started: docker login -u '${names.robot}' ${host}. BuildKit takes it from there.`,
        }),
  };
}

function k3s(names: Names): ClientSnippet {
  const { registryUrl, host, organization, upstreamHost, namespace, anonymousPull, robot: name } = names;
  return {
    id: 'k3s',
    title: 'k3s',
    place: '/etc/rancher/k3s/registries.yaml',
    text: [
      'mirrors:',
      `  "${upstreamHost}":`,
      '    endpoint:',
      `      - "${registryUrl}"`,
      '    rewrite:',
      `      "^${namespace === '' ? '' : `${namespace}/`}(.*)$": "${organization}/$1"`,
      ...(anonymousPull
        ? []
        : ['configs:', `  "${host}":`, '    auth:', `      username: "${name}"`, '      password: "TOKEN"']),
    ].join('\n'),
    note: 'Start k3s again afterwards.',
  };
}

function kubernetes({ host, organization, image, anonymousPull, robot: name }: Names): ClientSnippet {
  const here = `${host}/${organization}/${image}`;
  if (anonymousPull) {
    return { id: 'kubernetes', title: 'Kubernetes, by name', place: 'A pod', text: `image: ${here}` };
  }
  return {
    id: 'kubernetes',
    title: 'Kubernetes pull secret',
    place: 'Shell',
    text: [
      'kubectl create secret docker-registry breakwater \\',
      `  --docker-server=${host} \\`,
      `  --docker-username='${name}' \\`,
      '  --docker-password=TOKEN',
      `kubectl patch serviceaccount default -p '{"imagePullSecrets": [{"name": "breakwater"}]}'`,
    ].join('\n'),
    note: `For pods that name ${here} themselves.`,
  };
}

/** An image that there is at a well-known upstream, else one of the usual shape. */
function exampleImage(upstreamHost: string, namespace: string): string {
  const known: Readonly<Record<string, string>> = {
    'docker.io': 'library/nginx:latest',
    'quay.io': 'prometheus/prometheus:latest',
    'registry.k8s.io': 'pause:3.10',
  };
  const image = known[upstreamHost] ?? 'team/app:latest';
  if (namespace === '') return image;
  return image.startsWith(`${namespace}/`) ? image.slice(namespace.length + 1) : 'app:latest';
}
