import { must, mustHaveStatus } from '../answer.js';
import { checksOf } from '../check.js';
import { imageOf, pushImage } from '../content.js';
import { header, on, status } from '../sabotage.js';

/** "Registry Proxying". */
export const PROXYING_CHECKS = checksOf('proxying', [
  {
    id: 'ns-optional',
    level: 'MUST',
    says: 'pulls with a query parameter ns and without it are answered alike',
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
    says: 'a registry that goes by ns says so in OCI-Namespace, with its value',
    broken: header(on('GET', /[?&]ns=/), 'oci-namespace', 'elsewhere.example.org'),
    async prepare({ write }) {
      await pushImage(write, 'v1', imageOf(write.name));
      return async (read) => {
        const answer = await read.get(`${read.manifest('v1')}?ns=registry.example.org`);
        const said = answer.headers.get('oci-namespace');
        must(
          said === null || said === 'registry.example.org',
          answer,
          `wanted the OCI-Namespace that was sent, not ${said}`,
        );
      };
    },
  },
]);
