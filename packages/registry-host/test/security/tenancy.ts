import { Agent } from 'node:http';
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
import {
  type Asking,
  answerTo,
  disagreementOf,
  MountedBlobs,
  type Place,
  type Right,
  type Somebody,
} from './tenancy-model.js';
import { questionOf } from './tenancy-questions.js';
import { unlinkWhileAsking } from './tenancy-unlinking.js';

// S26: what a model of who may do what says, and what the registry does, for random questions.

/** A registry with tenants who have secrets of each other's kind, and everybody who might want them. */
export interface TenancySite extends AsyncDisposable {
  /** Asks random questions; resolves to a sentence for each answer that the model does not have. */
  disagreements(count: number, seed: number): Promise<readonly string[]>;
}

/** How many of the questions are about what is taken away while they are asked; each of these is some three hundred requests. */
const UNLINKING = 0.002;

export async function startTenancySite(): Promise<TenancySite> {
  const image = (seed: string) => buildImage({ seed, layers: 1 });
  const signed = (image: BuiltImage, by: string) =>
    buildImage({ seed: `a signature by ${by}`, layers: 1, subject: image.manifest });
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
  const caching = (organization: string, name: string, images: readonly BuiltImage[]): Place => ({
    organization,
    name,
    proxied: true,
    images,
    signatures: [],
  });
  const hosting = (organization: string, name: string, images: readonly BuiltImage[]): Place => ({
    ...caching(organization, name, images),
    proxied: false,
    signatures: images.map((each) => signed(each, `${organization}/${name}`)),
  });
  const places: Place[] = [
    hosting(alpha, 'team/app', [image('alpha app'), shared]),
    hosting(alpha, 'team/other', [image('alpha other')]),
    hosting(beta, 'team/app', [image('beta app')]),
    hosting(beta, 'team/empty', []),
    caching(open, 'team/app', [image('open')]),
    caching(closed, 'team/app', [image('closed')]),
    caching(closed, 'team/shared', [shared]),
  ];
  for (const place of places) await fill(registry, place);
  const people = await everybody(registry, { alpha, beta, open, closed });
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  return {
    disagreements: (count, seed) => {
      const asking = { registry, agent, people, places, mounted: new MountedBlobs() };
      return ask(asking, alpha, count, new Random(seed));
    },
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
  for (const signature of place.signatures) await pushImage({ url, name, authorization }, 'signature', signature);
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
    const rights: readonly Right[] = role === 'admin' ? ['pull', 'push', 'delete'] : ['pull'];
    return {
      who: `${role} of ${organization}`,
      authorization: basic(name, `password of ${name}`),
      known: true,
      may: (right: Right, { organization: of }: { readonly organization: string }) =>
        (right === 'pull' && of === open) || (of === organization && rights.includes(right)),
    };
  };
  const robot = async (name: string, organization: string, role: 'read' | 'write') => {
    const made = await must('PUT', `/api/v1/organization/${organization}/robots/${name}`, { role });
    const rights: readonly Right[] = role === 'write' ? ['pull', 'push', 'delete'] : ['pull'];
    return {
      who: `robot ${role} of ${organization}`,
      authorization: basic(made.name, made.token),
      known: true,
      may: (right: Right, { organization: of }: { readonly organization: string }) =>
        (right === 'pull' && of === open) || (of === organization && rights.includes(right)),
    };
  };
  const anybody: Somebody['may'] = (right, { organization }) => right === 'pull' && organization === open;
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
  const known = basics.filter((each) => each.known);
  const tokens = known.flatMap((each) =>
    (['pull,push', 'pull,push,delete'] as const).map((actions) =>
      withToken(registry, each, `${alpha}/team/app`, actions),
    ),
  );
  return [...basics, ...(await Promise.all(tokens))];
}

/** The same person with a token for one repository and some actions: all else is closed to them with it. */
async function withToken(registry: TestRegistry, person: Somebody, name: string, actions: string): Promise<Somebody> {
  const answer = await fetch(`${registry.url}/v2/auth?scope=repository:${name}:${actions}`, {
    headers: { connection: 'close', authorization: person.authorization ?? '' },
  });
  const { token } = (await answer.json()) as { readonly token: string };
  return {
    who: `${person.who}, by a token for ${actions}`,
    authorization: `Bearer ${token}`,
    known: false,
    may: (right, of) =>
      `${of.organization}/${of.name}` === name && actions.split(',').includes(right) && person.may(right, of),
  };
}

async function ask(asking: Asking, organization: string, count: number, random: Random): Promise<readonly string[]> {
  const found: string[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      if (left === 0 || random.chance(UNLINKING)) {
        found.push(...(await unlinkWhileAsking(asking, { organization, name: `team/fleeting${left}` })));
        continue;
      }
      const question = questionOf(asking, random);
      found.push(...disagreementOf(question, await answerTo(asking, question)));
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return found;
}
