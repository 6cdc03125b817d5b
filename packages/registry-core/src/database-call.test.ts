import { describe, expect, test } from '@jest/globals';
import { callDatabase, isDatabaseUnavailable } from './database-call.js';
import { RegistryError } from './oci/errors.js';

const unavailable = { code: 'UNAVAILABLE', status: 503, detail: { reason: 'database' } };

describe('callDatabase', () => {
  const failing = (error: unknown, times: number) => {
    let calls = 0;
    return {
      calls: () => calls,
      work: async () => {
        calls += 1;
        if (calls <= times) throw error;
        return 'done';
      },
    };
  };
  const state = (code: string) => Object.assign(new Error('from the server'), { code });

  test.each([
    ['57P01', 2],
    ['40P01', 3],
    ['40001', 3],
  ])('is made again after %s, %i times at most, where that is harmless', async (code, most) => {
    const enough = failing(state(code), most);
    expect(await callDatabase(enough.work, { idempotent: true })).toBe('done');
    const once = failing(state(code), most + 1);
    await expect(callDatabase(once.work, { idempotent: true })).rejects.toMatchObject(unavailable);
    expect(once.calls()).toBe(most + 1);
    const never = failing(state(code), 1);
    await expect(callDatabase(never.work)).rejects.toMatchObject(unavailable);
    expect(never.calls()).toBe(1);
  });

  test('is made again when a pool hands out the session that has just ended', async () => {
    const errors = [state('57P01'), new Error('select 1 - Connection terminated unexpectedly')];
    const work = async () => {
      const error = errors.shift();
      if (error !== undefined) throw error;
      return 'done';
    };
    expect(await callDatabase(work, { idempotent: true })).toBe('done');
  });

  test.each(['53300', '57P03', '57014', '08006', '25006', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND'])(
    '%s is the database, unavailable',
    async (code) => {
      await expect(callDatabase(failing(state(code), 1).work)).rejects.toMatchObject({
        ...unavailable,
        cause: state(code),
      });
    },
  );

  test.each(['Unable to acquire a connection', 'select 1 - timeout expired', 'Connection terminated'])(
    '"%s" is it, too',
    async (message) => {
      await expect(callDatabase(failing(new Error(message), 1).work)).rejects.toMatchObject(unavailable);
    },
  );

  test.each(['23505', '42601', '22021', 'ENOSPC', 'EROFS', 'ENOENT'])('%s is not', async (code) => {
    const error = state(code);
    await expect(callDatabase(failing(error, 1).work)).rejects.toBe(error);
  });

  test('lets errors of its own kind through', async () => {
    const error = new RegistryError('MANIFEST_INVALID');
    await expect(callDatabase(failing(error, 1).work)).rejects.toBe(error);
    expect(isDatabaseUnavailable(error)).toBe(false);
  });
});
