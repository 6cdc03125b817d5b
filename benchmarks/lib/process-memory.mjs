import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** From now on `peakMemory` counts anew. */
export function forgetPeak(root) {
  for (const pid of family(root)) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // It has ended, or may not be written to: then its peak is that of its whole life.
    }
  }
}

/** Most memory in bytes that a process and those below it have held, each at its own worst moment; databases apart. */
export function peakMemory(root) {
  return family(root).reduce((sum, pid) => sum + field(pid, 'VmHWM'), 0);
}

function family(root) {
  const below = new Map();
  for (const name of readdirSync('/proc').filter((each) => /^[0-9]+$/.test(each))) {
    const status = statusOf(name);
    if (/^Name:\t(postgres|initdb|sh)$/m.test(status)) continue;
    const parent = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
    below.set(parent, [...(below.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(below.get(pid) ?? []));
  return found;
}

function field(pid, name) {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(statusOf(pid))?.[1] ?? 0) * 1024;
}

function statusOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
