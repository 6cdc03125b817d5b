import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { containerdTool, type Need, runProgram } from '@breakwater/test-kit';

/** A containerd of its own, without its CRI. */
export interface Containerd extends AsyncDisposable {
  ctr(args: readonly string[]): ReturnType<typeof runProgram>;
  /** A hosts directory in which a registry has another host before it. */
  hosts(registry: string, toml: string): Promise<string>;
}

/** A containerd that runs, or what is missing. */
export interface TriedContainerd {
  readonly need: Need;
  readonly containerd: Containerd | undefined;
}

/** Starts containerd where it is installed and can be started; a sandbox may forbid it. */
export async function tryContainerd(parent: string): Promise<TriedContainerd> {
  const need = containerdTool();
  if (!need.met) return { need, containerd: undefined };
  try {
    return { need, containerd: await startContainerd(parent) };
  } catch (error) {
    return {
      need: { met: false, name: error instanceof Error ? error.message : String(error) },
      containerd: undefined,
    };
  }
}

/** Starts containerd in a directory; throws what it said when it cannot be started here. */
async function startContainerd(parent: string): Promise<Containerd> {
  // Paths of unix sockets are short.
  const directory = await mkdtemp(join(parent, 'c'));
  const address = join(directory, 'c.sock');
  const config = join(directory, 'config.toml');
  await writeFile(
    config,
    `version = 2\nroot = "${directory}/root"\nstate = "${directory}/state"\n` +
      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", ' +
      '"io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]\n' +
      `[grpc]\naddress = "${address}"\n[ttrpc]\naddress = "${directory}/t.sock"\n`,
  );
  const daemon = spawn('containerd', ['-c', config, '-l', 'warn'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => daemon.once('close', () => resolve()));
  const ctr = (args: readonly string[]) =>
    runProgram('ctr', ['-a', address, '-n', 'test', ...args], { timeoutMs: 60_000 });
  const close = async () => {
    daemon.kill('SIGTERM');
    const last = setTimeout(() => daemon.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(last);
    await rm(directory, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 100; tries += 1) {
    if (daemon.exitCode !== null) break;
    if ((await ctr(['version'])).exitCode === 0) {
      let number = 0;
      return {
        ctr,
        async hosts(registry, toml) {
          number += 1;
          const home = join(directory, `hosts${number}`, registry);
          await mkdir(home, { recursive: true });
          await writeFile(join(home, 'hosts.toml'), toml);
          return join(directory, `hosts${number}`);
        },
        [Symbol.asyncDispose]: close,
      };
    }
    await sleep(100);
  }
  await close();
  throw new Error(`a containerd that can be started here: ${said.trim().split('\n').at(-1)}`);
}
