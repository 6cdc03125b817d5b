import { buildImage, pushImage, writeRequest } from '@breakwater/test-kit';
import {
  type Asking,
  answerTo,
  disagreementOf,
  type Place,
  type Question,
  refusalOf,
  type Somebody,
} from './tenancy-model.js';

/**
 * Takes an image out of a repository while everybody asks for it: until then it is there or not; from the answer on it is not
 * there for anybody, by tag or digest, whole or in part, nor for a mount. Resolves to a sentence for each answer that is
 * otherwise.
 */
export async function unlinkWhileAsking(
  asking: Asking,
  place: Pick<Place, 'organization' | 'name'>,
): Promise<readonly string[]> {
  const { url, authorization } = asking.registry;
  const name = `${place.organization}/${place.name}`;
  const image = buildImage({ seed: name, layers: 1 });
  const layer = image.layers[0]?.digest ?? '';
  await pushImage({ url, name, authorization }, 'v1', image);
  const found: string[] = [];
  const ask = async (questions: readonly Question[]) => {
    for (const question of questions) found.push(...disagreementOf(question, await answerTo(asking, question)));
  };
  const everybody = (before: boolean) => asking.people.map((each) => pullsOf(each, before));
  const pullsOf = (person: Somebody, before: boolean): readonly Question[] => {
    const there = before ? [200, 206, 404] : [404];
    const expected = person.may('pull', place) ? there : refusalOf(person);
    const about = (method: string, path: string, headers = {}) => ({
      person,
      method,
      path: `/v2/${name}/${path}`,
      headers,
      expected,
    });
    return [
      about('GET', `blobs/${layer}`),
      about('HEAD', `blobs/${layer}`),
      about('GET', `blobs/${layer}`, { range: 'bytes=2-' }),
      about('GET', `manifests/${image.manifest.digest}`),
      about('HEAD', 'manifests/v1'),
    ];
  };
  const remove = async (path: string) => {
    const { status } = await writeRequest({ url, authorization }, 'DELETE', `/v2/${name}/${path}`);
    if (status !== 202) found.push(`the administrator: DELETE of ${path} in ${name} is ${status}`);
  };
  const asked = Promise.all(everybody(true).map(ask));
  await remove(`manifests/${image.manifest.digest}`);
  await remove(`blobs/${layer}`);
  await Promise.all(everybody(false).map(ask));
  await asked;
  const target = { organization: place.organization, name: 'team/mounted' };
  const mounts = asking.people.flatMap((person): readonly Question[] => {
    const expected = person.may('push', target) ? [202] : refusalOf(person);
    const path = `/v2/${target.organization}/${target.name}/blobs/uploads/?mount=${layer}`;
    return [
      { person, method: 'POST', path, expected },
      { person, method: 'POST', path: `${path}&from=${name}`, expected },
    ];
  });
  await ask(mounts);
  return found;
}
