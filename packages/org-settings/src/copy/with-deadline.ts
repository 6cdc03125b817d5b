import { databaseUnavailable } from '@breakwater/registry-core';

/**
 * The promise's outcome, or RegistryError UNAVAILABLE after so many ms. A frozen database neither answers nor fails, and
 * a pool may wait for it for a minute.
 */
export async function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(databaseUnavailable(new Error(`no answer within ${ms} ms`))), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
