import { buildImage, movableClock, pullImage, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

test('an image is served for its staleness period, and no longer', async () => {
  const clock = movableClock();
  await using upstream = await startFaultUpstream();
  await using registry = await startTestRegistry({ clock });
  upstream.add('team/app', 'latest', buildImage({ seed: 'app' }));
  const organization = await registry.proxyOrganization({ upstream_registry: upstream.host, staleness_period_s: 3600 });
  const pull = () => pullImage(registry.url, `${organization}/team/app`, 'latest');

  expect((await pull()).problems).toEqual([]);
  await upstream.kill();

  clock.advance({ hours: 1 });
  const shielded = await pull();
  expect(shielded.problems).toEqual([]);
  expect(shielded.manifest.headers['warning']).toContain('serving the copy confirmed 1 h ago');

  clock.advance({ ms: 1 });
  expect((await pull()).manifest.status).toBe(503);
});
