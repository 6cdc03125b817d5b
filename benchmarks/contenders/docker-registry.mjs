import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, start, untilReady } from '../lib/children.mjs';
import { fetchHashed, NAME, TAG } from '../lib/image.mjs';

const STORED_WITHIN_MS = 120_000;

/** Debian's docker-registry with what Debian configures for speed and no access log; as a proxy when given an origin. */
export async function startDockerRegistry(tools, directory, name, proxyOf) {
  const home = join(directory, name);
  const data = join(home, 'data');
  await mkdir(data, { recursive: true });
  const port = await freePort();
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { cache: { blobdescriptor: 'inmemory' }, filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: 'of a benchmark' },
    ...(proxyOf === undefined ? {} : { proxy: { remoteurl: proxyOf } }),
  };
  // JSON is YAML.
  const file = join(home, 'config.yml');
  await writeFile(file, JSON.stringify(config));
  const server = start(name, tools['docker-registry'], ['serve', file]);
  const origin = `http://127.0.0.1:${port}`;
  await untilReady(server, async () => (await fetchHashed(`${origin}/v2/`)).status === 200);
  return { name, pid: server.child.pid, origin, data };
}

/** docker-registry in proxy mode, with the image in its cache. */
export async function startProxy(tools, directory, upstream, image) {
  const proxy = await startDockerRegistry(tools, directory, 'docker-registry', upstream);
  const urls = {
    tag: `${proxy.origin}/v2/${NAME}/manifests/${TAG}`,
    digest: `${proxy.origin}/v2/${NAME}/manifests/${image.manifest.digest}`,
    blob: `${proxy.origin}/v2/${NAME}/blobs/${image.big.digest}`,
  };
  for (const url of Object.values(urls)) await fetchHashed(url);
  await untilStored(proxy.data, image.manifest.digest);
  await untilStored(proxy.data, image.big.digest);
  return { name: proxy.name, pid: proxy.pid, urls };
}

/** It stores what it has sent after it has sent it. */
export async function untilStored(data, digest) {
  const hex = digest.slice('sha256:'.length);
  const file = join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  const deadline = performance.now() + STORED_WITHIN_MS;
  while (!existsSync(file)) {
    if (performance.now() > deadline) throw new Error(`docker-registry did not store ${digest}`);
    await sleep(10);
  }
}
