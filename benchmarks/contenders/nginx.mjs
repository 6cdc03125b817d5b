import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, start, untilReady } from '../lib/children.mjs';
import { fetchHashed } from '../lib/image.mjs';

/** What node and nginx each write by themselves. */
const OWN_HEADERS = new Set(['connection', 'keep-alive', 'date', 'content-length', 'content-type']);

/** nginx with the same bytes as static files, at the same paths and with the same headers as those answers have. */
export async function startNginx(tools, directory, image, like) {
  const home = join(directory, 'nginx');
  await mkdir(join(home, 'logs'), { recursive: true });
  const port = await freePort();
  const files = { tag: image.manifest.path, digest: image.manifest.path, blob: image.big.path };
  const locations = [];
  const urls = {};
  for (const [kind, url] of Object.entries(like)) {
    const { pathname } = new URL(url);
    urls[kind] = `http://127.0.0.1:${port}${pathname}`;
    locations.push(location(pathname, files[kind], (await fetchHashed(url)).headers));
  }
  const file = join(home, 'nginx.conf');
  await writeFile(file, configOf(home, port, locations));
  const server = start('nginx', tools.nginx, ['-p', home, '-e', 'stderr', '-c', file]);
  await untilReady(server, async () => (await fetchHashed(urls.tag)).status === 200);
  return { name: server.name, pid: server.child.pid, urls };
}

function location(path, file, headers) {
  const added = Object.entries(headers)
    .filter(([name]) => !OWN_HEADERS.has(name))
    .map(([name, value]) => `      add_header ${name} ${quoted(value)};`);
  return [
    `    location = "${path}" {`,
    `      alias "${file}";`,
    '      types { }',
    `      default_type ${quoted(headers['content-type'])};`,
    // Last-Modified has no switch; an empty value leaves it out.
    "      add_header last-modified '';",
    ...added,
    '    }',
  ].join('\n');
}

function quoted(value) {
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

function configOf(home, port, locations) {
  const user = process.getuid() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${home}/${kind};`,
  );
  return `${user}
daemon off;
worker_processes 1;
pid ${home}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  etag off;
  keepalive_requests 1000000000;
${temporary.join('\n')}
  server {
    listen 127.0.0.1:${port};
${locations.join('\n')}
  }
}
`;
}
