import { createHash, randomFillSync } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

// node benchmarks/cold-upstream.mjs <bytes of a blob> <how many blobs> [<bytes of a smaller blob> <how many>]
//
// An upstream registry of large blobs for measuring: it holds them in memory, counts what it sends, and sends as fast as
// the link that it is told to be. `/stats` tells the counts and sets them back; `/link?mib=8` makes all connections
// together as slow as 8 MiB/s, `/link?mib=0` as fast as they can be. The first line that it prints says what it holds.

const MIB = 1024 * 1024;
const NAME = 'bench/image';
const TYPE = 'application/vnd.oci.image.manifest.v1+json';
/** What a link that was not used may send at once afterwards: timers are not more exact, in milliseconds. */
const BURST_MS = 10;
const [bytes, count, smallerBytes = 0, smallerCount = 0] = process.argv.slice(2).map(Number);
const body = randomFillSync(Buffer.alloc(bytes));
const blobs = new Map();
const large = Array.from({ length: count }, () => makeBlob(bytes));
const smaller = Array.from({ length: smallerCount }, () => makeBlob(smallerBytes));
const small = [Buffer.alloc(0), randomFillSync(Buffer.alloc(4_096))];
const smallDigest = digestOf(small[1]);
blobs.set(smallDigest, small);
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: TYPE,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: smallDigest, size: 4_096 },
    layers: [],
  }),
);
const manifestDigest = digestOf(manifest);
let stats = { bytes: 0, gets: 0 };
let bytesPerSecond = 0;
let paidUntil = 0;

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const held = { port: server.address().port, manifest: manifestDigest, small: smallDigest };
  console.log(JSON.stringify({ ...held, blobs: large, smaller }));
});

/** Blobs differ in their beginning, and share the rest of their memory. */
function makeBlob(size) {
  const head = randomFillSync(Buffer.alloc(64));
  const rest = body.subarray(64, size);
  const digest = `sha256:${createHash('sha256').update(head).update(rest).digest('hex')}`;
  blobs.set(digest, [head, rest]);
  return digest;
}

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://upstream');
  if (pathname === '/stats') {
    response.end(JSON.stringify(stats));
    stats = { bytes: 0, gets: 0 };
    return;
  }
  if (pathname === '/link') {
    bytesPerSecond = Number(searchParams.get('mib')) * MIB;
    return response.end();
  }
  if (pathname === '/v2/') return response.end('{}');
  const [, kind, reference] = pathname.match(`^/v2/${NAME}/(manifests|blobs)/([^/]+)$`) ?? [];
  if (kind === 'manifests') return sendManifest(request, response);
  const blob = blobs.get(reference);
  if (blob === undefined) return response.writeHead(404).end();
  const size = blob[0].byteLength + blob[1].byteLength;
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': size - from,
    'docker-content-digest': reference,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {}),
  });
  if (request.method === 'HEAD') return response.end();
  stats.gets += 1;
  await sendBlob(response, blob, from);
}

function sendManifest(request, response) {
  response.writeHead(200, {
    'content-type': TYPE,
    'content-length': manifest.byteLength,
    'docker-content-digest': manifestDigest,
  });
  response.end(request.method === 'HEAD' ? undefined : manifest);
}

async function sendBlob(response, [head, rest], from) {
  const unit = bytesPerSecond === 0 ? MIB : 64 * 1024;
  if (from < head.byteLength) await send(response, head.subarray(from));
  for (let at = Math.max(0, from - head.byteLength); at < rest.byteLength; at += unit) {
    if (response.destroyed) return;
    await send(response, rest.subarray(at, at + unit));
  }
  response.end();
}

async function send(response, chunk) {
  await takeTurn(chunk.byteLength);
  stats.bytes += chunk.byteLength;
  if (response.write(chunk)) return;
  await new Promise((go) => {
    response.once('drain', go);
    response.once('close', go);
  });
}

/** All connections share the link. */
async function takeTurn(length) {
  if (bytesPerSecond === 0) return;
  const now = performance.now();
  paidUntil = Math.max(now - BURST_MS, paidUntil) + (length / bytesPerSecond) * 1_000;
  if (paidUntil - now > 5) await sleep(paidUntil - now);
}

function digestOf(content) {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
