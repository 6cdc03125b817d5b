import { readFileSync, readlinkSync } from 'node:fs';

/**
 * What tells this process from all others that ever ran on this machine: the namespace that its number counts in, its
 * number, and when it began. Empty where the system does not say.
 */
export function ownIdentity(): string {
  const space = pidSpace();
  const began = space === undefined ? undefined : startOf(process.pid);
  return began === undefined ? '' : `${space}-${process.pid}-${began}`;
}

/** Whether a process is known to have ended. Of other machines and containers nothing is known. */
export function hasEnded(identity: string): boolean {
  const [space, pid, began] = identity.split('-');
  if (space === undefined || pid === undefined || space !== pidSpace()) return false;
  return startOf(Number(pid)) !== began;
}

/** The boot of the machine and the process-number namespace in it: containers have one each. */
function pidSpace(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replaceAll(/[^0-9a-f]/g, '');
    const space = /[0-9]+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
    return space === undefined ? undefined : `${boot.slice(0, 12)}${space}`;
  } catch {
    return undefined;
  }
}

/** When a process began, in ticks since the boot (proc(5), field 22); `undefined` when there is none, or a dead one. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
