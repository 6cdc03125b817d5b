import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BuiltImage,
  type FaultUpstream,
  runProgram,
  startFaultUpstream,
  startTestRegistry,
} from '@breakwater/test-kit';

const CLIENTS = resolve('packages/registry-host/test/support/pull-many.mjs');

/** What came of it. */
export interface ManyColdPulls {
  /** What the clients got wrong: how often, and some of it. */
  readonly problems: { readonly count: number; readonly some: readonly string[] };
  /** GETs at the upstream of each manifest and blob of the image, by its reference. */
  readonly gets: Readonly<Record<string, number>>;
}

/**
 * Many clients, in a process of their own, pull the same image at once, whole, through one registry that has never seen
 * it. With `leaver`, the first one to ask hangs up in the middle of the first layer.
 */
export async function manyColdPulls(image: BuiltImage, clients: number, leaver: boolean): Promise<ManyColdPulls> {
  await using upstream = await startFaultUpstream();
  await using registry = await startTestRegistry();
  upstream.add('app', 'v1', image);
  const base = `${registry.url}/v2/${await registry.proxyOrganization({ upstream_registry: upstream.host })}/app`;
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('the image has a layer');
  const digests = [layer.digest, ...[...image.blobs.keys()].filter((digest) => digest !== layer.digest)];
  const wanted = [
    ...digests.map((digest) => ({ url: `${base}/blobs/${digest}`, digest })),
    { url: `${base}/manifests/v1`, digest: image.manifest.digest },
  ];
  const leaveAfter = leaver ? [String(layer.size / 2)] : [];
  const args = [CLIENTS, String(clients), JSON.stringify(wanted), ...leaveAfter];
  const { exitCode, stdout, stderr } = await runProgram(process.execPath, args);
  if (exitCode !== 0) throw new Error(`the clients ended with ${exitCode}: ${stderr}`);
  await untilIdle(upstream);
  return { problems: JSON.parse(stdout), gets: getsOf(upstream) };
}

function getsOf(upstream: FaultUpstream): Record<string, number> {
  const gets: Record<string, number> = {};
  for (const { method, reference } of upstream.requests) {
    if (method === 'GET' && reference !== undefined) gets[reference] = (gets[reference] ?? 0) + 1;
  }
  return gets;
}

/** Until what goes on behind the clients has ended. */
async function untilIdle(upstream: FaultUpstream): Promise<void> {
  for (let seen = -1; seen !== upstream.requests.length; await sleep(300)) seen = upstream.requests.length;
}
