import { type LogFields, type OrganizationName, silentLogger } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { OutageCounts } from './outage-counts.js';
import { MINUTE_MS, type MinuteCount } from './timeline-kinds.js';

const lab = 'lab' as OrganizationName;

/** A table that keeps what it is given, or fails. */
class FakeTable {
  readonly batches: (readonly MinuteCount[])[] = [];
  failing = false;

  async add(counts: readonly MinuteCount[]): Promise<void> {
    if (this.failing) throw new Error('the database is away');
    this.batches.push(counts.map((count) => ({ ...count })));
  }

  get rows(): readonly MinuteCount[] {
    return this.batches.flat();
  }
}

function counting(maxWaiting?: number) {
  const clock = movableClock();
  const table = new FakeTable();
  const warnings: LogFields[] = [];
  const logger = { ...silentLogger, warn: (fields: LogFields) => void warnings.push(fields) };
  return { clock, table, warnings, counts: new OutageCounts(table, clock, logger, maxWaiting) };
}

test('the same in the same minute is one row', async () => {
  const { clock, table, counts } = counting();
  const minute = clock.now();
  clock.advance({ seconds: 59 });
  counts.note(lab, 'shielded_pull', 'connect');
  counts.note(lab, 'shielded_pull', 'connect');
  counts.note(lab, 'shielded_pull', 'dns');
  counts.note('other' as OrganizationName, 'shielded_pull', 'connect');
  clock.advance({ seconds: 1 });
  counts.note(lab, 'shielded_pull', 'connect');
  await counts.flush();
  expect(table.rows.map(({ organization, ...row }) => [organization, ...Object.values(row)])).toEqual([
    [lab, minute, 'shielded_pull', 'connect', 2],
    [lab, minute, 'shielded_pull', 'dns', 1],
    ['other', minute, 'shielded_pull', 'connect', 1],
    [lab, minute + MINUTE_MS, 'shielded_pull', 'connect', 1],
  ]);
  await counts.flush();
  expect(table.batches).toHaveLength(1);
});

test('what cannot be written waits, and is added to what comes', async () => {
  const { table, counts } = counting();
  counts.note(lab, 'masked_error', 'timeout');
  table.failing = true;
  await expect(counts.flush()).rejects.toThrow('the database is away');
  counts.note(lab, 'masked_error', 'timeout');
  await expect(counts.flush()).rejects.toThrow('the database is away');
  table.failing = false;
  await counts.flush();
  expect(table.rows).toMatchObject([{ kind: 'masked_error', count: 2 }]);
});

test('what comes while a statement fails is not lost', async () => {
  const { table, counts } = counting();
  counts.note(lab, 'masked_error', 'timeout');
  table.failing = true;
  const flushing = counts.flush();
  counts.note(lab, 'masked_error', 'timeout');
  await expect(flushing).rejects.toThrow();
  table.failing = false;
  await counts.flush();
  expect(table.rows).toMatchObject([{ count: 2 }]);
});

test('beyond the bound the oldest are lost, and that is said', async () => {
  const { clock, table, warnings, counts } = counting(3);
  table.failing = true;
  for (let minute = 0; minute < 5; minute += 1) {
    counts.note(lab, 'shielded_pull', 'connect');
    await expect(counts.flush()).rejects.toThrow();
    clock.advance({ minutes: 1 });
  }
  table.failing = false;
  await counts.flush();
  expect(table.rows.map(({ minute }) => (clock.now() - minute) / MINUTE_MS)).toEqual([3, 2, 1]);
  expect(warnings).toEqual([{ lost: 2 }]);
});

test('statements are of bounded size', async () => {
  const { clock, table, counts } = counting();
  for (let minute = 0; minute < 1_001; minute += 1) {
    counts.note(lab, 'shielded_pull', 'connect');
    clock.advance({ minutes: 1 });
  }
  await counts.flush();
  expect(table.batches.map((batch) => batch.length)).toEqual([1_000, 1]);
});

test('whoever flushes while a statement is on its way waits for it', async () => {
  let begun = 0;
  let answer: () => void = () => undefined;
  const table = {
    add: () => {
      begun += 1;
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    },
  };
  const counts = new OutageCounts(table, movableClock(), silentLogger);
  counts.note(lab, 'not_stored', 'quota');
  const first = counts.flush();
  await new Promise((resolve) => setImmediate(resolve));
  const ended: string[] = [];
  const second = counts.flush().then(() => ended.push('second'));
  await new Promise((resolve) => setImmediate(resolve));
  expect([begun, ended]).toEqual([1, []]);
  answer();
  await Promise.all([first, second]);
  expect(ended).toEqual(['second']);
});
