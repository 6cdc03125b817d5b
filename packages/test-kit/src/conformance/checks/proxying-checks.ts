import { must, mustHaveHeader, mustHaveStatus, NotApplicable } from '../answer.js';
import { checksOf } from '../check.js';
import { imageOf, pushImage } from '../content.js';
import { header, on, status } from '../sabotage.js';

/** "Registry Proxying". */
export const PROXYING_CHECKS = checksOf('proxying', [
  {
    id: 'ns-optional',
    level: 'MUST',
    says: 'pulls with a query parameter ns and without it are answered alike',
    red: 'GET: wanted status 200',
    broken: status(on('GET', /[?&]ns=/), 400),
    async prepare({ write }) {
      const image = imageOf(write.name);
      await pushImage(write, 'v1', image);
      return async (read) => {
        const without = await read.get(read.manifest('v1'));
        const answer = await read.get(`${read.manifest('v1')}?ns=registry.example.org`);
        mustHaveStatus(answer, 200);
        must(answer.bytes.equals(without.bytes), answer, 'wanted the same manifest');
        mustHaveStatus(await read.get(`${read.blob(image.layer.digest)}?ns=registry.example.org`), 200);
      };
    },
  },
  {
    id: 'namespace-header',
    level: 'SHOULD',
    says: 'a cache that is asked by ns and the upstream’s own name of a repository says so in OCI-Namespace',
    red: 'GET: wanted OCI-Namespace',
    broken: header(on('GET', /[?&]ns=/), 'oci-namespace', 'elsewhere.example.org'),
    async prepare({ read, write }) {
      if (read.upstream === undefined) throw new NotApplicable('it is no cache of another registry');
      const image = imageOf(write.name);
      await pushImage(write, 'v1', image);
      return async (cache) => {
        const { host, name } = cache.upstream ?? { host: '', name: '' };
        const answer = await cache.get(`/v2/${name}/manifests/v1?ns=${host}`);
        mustHaveStatus(answer, 200);
        must(answer.bytes.equals(image.manifest.bytes), answer, 'wanted the manifest that the upstream has');
        const said = mustHaveHeader(answer, 'oci-namespace');
        must(said === host, answer, `wanted OCI-Namespace ${host}, not ${said}`);
      };
    },
  },
]);
