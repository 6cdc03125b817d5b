import { spawn } from 'node:child_process';
import { ROOT } from './root.mjs';

const SIGN_OF_LIFE_MS = 10_000;

/**
 * Runs one step with a program: its output is shown when it fails, or always with `show`, and a line now and then says
 * that it is still working. `announce` says at once what is being done; without it only a slow step says anything.
 * Resolves to whether it succeeded.
 */
export async function runStep(title, program, args, { announce = false, show = false, env = process.env } = {}) {
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  if (announce) console.log(`${title} …`);
  const life = setInterval(() => console.log(`${title}: working, ${seconds()} s`), SIGN_OF_LIFE_MS);
  const { status, output } = await finish(program, args, env);
  clearInterval(life);
  const succeeded = status === 0;
  if (!succeeded || show) process.stdout.write(output);
  console.log(`${title}: ${succeeded ? 'done' : 'FAILED'} in ${seconds()} s`);
  return succeeded;
}

function finish(program, args, env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.once('error', (error) => resolve({ status: -1, output: `${output}${error.message}\n` }));
    child.once('close', (status) => resolve({ status, output }));
  });
}
