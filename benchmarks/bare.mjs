import { createServer } from 'node:http';

// node benchmarks/bare.mjs [port]
//
// What Node's own HTTP can do at most: the head and as many bytes as a cached manifest has, and nothing else. Beside
// `wrk -t1 -c16 -d4s http://127.0.0.1:7001/` it is what our answers are to be compared with.

const BYTES = 2_048;
const digest = `sha256:${'0'.repeat(64)}`;
const body = 'a'.repeat(BYTES);
const port = Number(process.argv[2] ?? 7001);

createServer((_request, response) => {
  response.writeHead(200, {
    'content-type': 'application/vnd.oci.image.manifest.v1+json',
    'content-length': BYTES,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
    'cache-status': 'Breakwater; hit',
  });
  response.end(body, 'latin1');
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/, process ${process.pid}`));
