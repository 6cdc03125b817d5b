import { build } from './build.mjs';
import { setUp } from './setup.mjs';

// UV_THREADPOOL_SIZE comes from the npm script: by the time that a module of ours runs, node has made its thread pool.
if ((await setUp()) && (await build('packages/registry-host'))) {
  await import('../packages/registry-host/dist/main.js');
} else {
  process.exitCode = 1;
}
