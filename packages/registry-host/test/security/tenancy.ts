import { Agent, request } from 'node:http';
import {
  type BuiltImage,
  buildImage,
  type FaultUpstream,
  pullImage,
  pushImage,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
} from '@breakwater/test-kit';
import { Random } from './random.js';

// S26: what a model of who may do what says, and what the registry does, for random questions.

type Right = 'pull' | 'push';

interface Somebody {
  readonly who: string;
  readonly authorization: string | undefined;
  /** Whether the credentials are good for anything. */
  readonly known: boolean;
  readonly may: (organization: string, right: Right) => boolean;
}

interface Place {
  readonly organization: string;
  readonly name: string;
  readonly proxied: boolean;
  readonly images: readonly BuiltImage[];
}

/** A registry with tenants who have secrets of each other's kind, and everybody who might want them. */
export interface TenancySite extends AsyncDisposable {
  /** Asks random questions; resolves to a sentence for each answer that the model does not have. */
  disagreements(count: number, seed: number): Promise<readonly string[]>;
}

const UNKNOWN = `sha256:${'0'.repeat(64)}`;

export async function startTenancySite(): Promise<TenancySite> {
  const image = (seed: string) => buildImage({ seed, layers: 1 });
  // The same layer in two organizations: who has it in one has nothing in the other.
  const shared = image('shared');
  const upstreams = [await startFaultUpstream(), await startFaultUpstream()] as const;
  const registry = await startTestRegistry();
  const alpha = await registry.hostedOrganization();
  const beta = await registry.hostedOrganization();
  upstreams[0].add('team/app', 'v1', image('open'));
  upstreams[1].add('team/app', 'v1', image('closed'));
  upstreams[1].add('team/shared', 'v1', shared);
  const open = await registry.proxyOrganization({
    upstream_registry: upstreams[0].host,
    check_interval_s: 86_400,
    staleness_period_s: 86_400,
  });
  const closed = await registry.proxyOrganization({
    upstream_registry: upstreams[1].host,
    check_interval_s: 86_400,
    staleness_period_s: 86_400,
    anonymous_pull: false,
  });
  const places: Place[] = [
    { organization: alpha, name: 'team/app', proxied: false, images: [image('alpha app'), shared] },
    { organization: alpha, name: 'team/other', proxied: false, images: [image('alpha other')] },
    { organization: beta, name: 'team/app', proxied: false, images: [image('beta app')] },
    { organization: beta, name: 'team/empty', proxied: false, images: [] },
    { organization: open, name: 'team/app', proxied: true, images: [image('open')] },
    { organization: closed, name: 'team/app', proxied: true, images: [image('closed')] },
    { organization: closed, name: 'team/shared', proxied: true, images: [shared] },
  ];
  for (const place of places) await fill(registry, place);
  const people = await everybody(registry, { alpha, beta, open, closed });
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  return {
    disagreements: (count, seed) => ask({ registry, agent, people, places, open }, count, new Random(seed)),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await registry.close();
      for (const upstream of upstreams as readonly FaultUpstream[]) await upstream.close();
    },
  };
}

async function fill({ url, authorization }: TestRegistry, place: Place): Promise<void> {
  const name = `${place.organization}/${place.name}`;
  for (const [index, image] of place.images.entries()) {
    if (!place.proxied) await pushImage({ url, name, authorization }, `v${index + 1}`, image);
    else await pullImage(url, name, 'v1', { headers: { authorization } });
  }
}

async function everybody(
  registry: TestRegistry,
  { alpha, beta, open, closed }: Readonly<Record<'alpha' | 'beta' | 'open' | 'closed', string>>,
): Promise<readonly Somebody[]> {
  const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  const must = async (method: string, path: string, body: unknown) => {
    const answer = await registry.api(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as { readonly name: string; readonly token: string };
  };
  const user = async (name: string, organization: string, role: 'admin' | 'member') => {
    await must('POST', '/api/v1/superuser/users/', { username: name, password: `password of ${name}` });
    await must('PUT', `/api/v1/organization/${organization}/members/${name}`, { role });
    const rights: readonly Right[] = role === 'admin' ? ['pull', 'push'] : ['pull'];
    return {
      who: `${role} of ${organization}`,
      authorization: basic(name, `password of ${name}`),
      known: true,
      may: (of: string, right: Right) =>
        (right === 'pull' && of === open) || (of === organization && rights.includes(right)),
    };
  };
  const robot = async (name: string, organization: string, role: 'read' | 'write') => {
    const made = await must('PUT', `/api/v1/organization/${organization}/robots/${name}`, { role });
    const rights: readonly Right[] = role === 'write' ? ['pull', 'push'] : ['pull'];
    return {
      who: `robot ${role} of ${organization}`,
      authorization: basic(made.name, made.token),
      known: true,
      may: (of: string, right: Right) =>
        (right === 'pull' && of === open) || (of === organization && rights.includes(right)),
    };
  };
  const anybody = (of: string, right: Right) => right === 'pull' && of === open;
  const basics: readonly Somebody[] = [
    { who: 'nobody', authorization: undefined, known: false, may: anybody },
    { who: 'a stranger', authorization: basic('stranger', 'of somewhere else'), known: false, may: anybody },
    { who: 'the administrator', authorization: registry.authorization, known: true, may: () => true },
    await user('alphamember', alpha, 'member'),
    await user('alphaadmin', alpha, 'admin'),
    await user('betaadmin', beta, 'admin'),
    await user('closedmember', closed, 'member'),
    await user('closedadmin', closed, 'admin'),
    await robot('reader', alpha, 'read'),
    await robot('writer', beta, 'write'),
  ];
  return [
    ...basics,
    ...(await Promise.all(basics.filter(({ known }) => known).map((each) => withToken(registry, each, alpha)))),
  ];
}

/** The same person with a token for one repository: all else is closed to them with it. */
async function withToken(registry: TestRegistry, person: Somebody, organization: string): Promise<Somebody> {
  const scope = `repository:${organization}/team/app:pull,push`;
  const answer = await fetch(`${registry.url}/v2/auth?scope=${scope}`, {
    headers: { connection: 'close', authorization: person.authorization ?? '' },
  });
  const { token } = (await answer.json()) as { readonly token: string };
  return { ...person, who: `${person.who}, by token`, authorization: `Bearer ${token}`, known: false };
}

interface Asking {
  readonly registry: TestRegistry;
  readonly agent: Agent;
  readonly people: readonly Somebody[];
  readonly places: readonly Place[];
  readonly open: string;
}

async function ask(asking: Asking, count: number, random: Random): Promise<readonly string[]> {
  const found: string[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const question = questionOf(asking, random);
      const status = await send(asking, question);
      if (!question.expected.includes(status)) {
        found.push(
          `${question.who}: ${question.method} ${question.path} is ${status}, not ${question.expected.join(' or ')}`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return found;
}

interface Question {
  readonly who: string;
  readonly authorization: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly expected: readonly number[];
}

function questionOf({ people, places }: Asking, random: Random): Question {
  const person = random.of(people);
  const place = random.of(places);
  const name = `${place.organization}/${place.name}`;
  const everything = places.flatMap(({ images }) => images);
  const wanted = random.chance(0.1) ? undefined : random.of(everything);
  const has = wanted !== undefined && place.images.includes(wanted);
  const kind = random.of(['manifest', 'blob', 'layer', 'tags', 'upload', 'mount', 'delete'] as const);
  const method = random.of(['GET', 'HEAD']);
  const content = (path: string): readonly [string, string, Right, readonly number[]] => [
    method,
    path,
    'pull',
    // A cache may say that too much was asked for in vain.
    has ? [200] : place.proxied ? [404, 429] : [404],
  ];
  const write = (
    right: string,
    path: string,
    expected: readonly number[],
  ): readonly [string, string, Right, readonly number[]] => [
    right,
    path,
    place.proxied ? 'pull' : 'push',
    place.proxied ? [405] : expected,
  ];
  const [verb, path, right, expected] = (() => {
    switch (kind) {
      case 'manifest':
        return content(`manifests/${wanted?.manifest.digest ?? UNKNOWN}`);
      case 'blob':
        return content(`blobs/${wanted?.config.digest ?? UNKNOWN}`);
      case 'layer':
        return content(`blobs/${wanted?.layers[0]?.digest ?? UNKNOWN}`);
      case 'tags': {
        const exists = place.images.length > 0;
        return [method, 'tags/list', 'pull', exists ? [200] : [404]] as const;
      }
      case 'upload':
        return write('POST', 'blobs/uploads/', [202]);
      case 'mount': {
        // From nowhere in particular: what another organization has looks like what nobody has.
        const digest = wanted?.layers[0]?.digest ?? UNKNOWN;
        const isHere = places.some(
          ({ organization, images }) =>
            organization === place.organization && wanted !== undefined && images.includes(wanted),
        );
        return write('POST', `blobs/uploads/?mount=${digest}`, [isHere ? 201 : 202]);
      }
      case 'delete':
        return write('DELETE', `blobs/${UNKNOWN}`, [404]);
    }
  })();
  // Into a repository that no other question is about.
  const repository = kind === 'mount' ? `${place.organization}/team/mounted` : name;
  const byToken = person.authorization?.startsWith('Bearer ') === true;
  const inScope = !byToken || (place === places[0] && kind !== 'mount');
  const allowed = inScope && person.may(place.organization, right);
  const refused = person.known ? [403] : [401];
  return {
    who: person.who,
    authorization: person.authorization,
    method: verb,
    path: `/v2/${repository}/${path}`,
    expected: allowed ? expected : refused,
  };
}

function send({ registry, agent }: Asking, { method, path, authorization }: Question): Promise<number> {
  const { hostname, port } = new URL(registry.url);
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    const sending = request({ hostname, port, method, path, headers, agent }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode ?? 0));
      answer.once('error', reject);
    });
    sending.once('error', reject);
    sending.end();
  });
}
