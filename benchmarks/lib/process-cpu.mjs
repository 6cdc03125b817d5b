import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/**
 * CPU seconds, user and system, that a process and everything below it have used so far. Children that have ended are
 * counted by the parent that waited for them.
 */
export function cpuSeconds(root) {
  const children = new Map();
  const ticks = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const stat = readStat(name);
    if (stat === undefined) continue;
    ticks.set(stat.pid, stat.ticks);
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [stat.pid]);
    else siblings.push(stat.pid);
  }
  let sum = 0;
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    sum += ticks.get(pid) ?? 0;
    waiting.push(...(children.get(pid) ?? []));
  }
  return sum / TICKS_PER_SECOND;
}

/** proc(5): the name, second, is in brackets and may hold anything. */
function readStat(name) {
  let text;
  try {
    text = readFileSync(`/proc/${name}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number);
  return { pid: Number(name), parent: Number(fields[1]), ticks: utime + stime + cutime + cstime };
}
