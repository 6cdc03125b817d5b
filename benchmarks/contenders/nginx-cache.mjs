import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, start, untilReady } from '../lib/children.mjs';
import { fetchHashed } from '../lib/image.mjs';

/** nginx as a caching proxy of an origin. Of clients that ask for the same, one asks the origin and the others wait. */
export async function startNginxCache(tools, directory, origin) {
  const home = join(directory, 'nginx-cache');
  await mkdir(join(home, 'logs'), { recursive: true });
  const port = await freePort();
  const file = join(home, 'nginx.conf');
  await writeFile(file, configOf(home, port, origin));
  const server = start('nginx', tools.nginx, ['-p', home, '-e', 'stderr', '-c', file]);
  const own = `http://127.0.0.1:${port}`;
  await untilReady(server, async () => (await fetchHashed(`${own}/v2/`)).status === 200);
  return { name: 'nginx', pid: server.child.pid, origin: own };
}

function configOf(home, port, origin) {
  const user = process.getuid() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${home}/${kind};`,
  );
  return `${user}
daemon off;
worker_processes 1;
pid ${home}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
${temporary.join('\n')}
  proxy_cache_path ${home}/cache keys_zone=blobs:10m max_size=100g inactive=1d use_temp_path=off;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${origin};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache blobs;
      proxy_cache_valid 200 1d;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 1h;
      proxy_cache_lock_age 1h;
      proxy_max_temp_file_size 0;
    }
  }
}
`;
}
