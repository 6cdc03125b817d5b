import { type CollectionRun, CollectionSupersededError } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { selectRows } from './sql.js';

/**
 * A transaction that removes something on behalf of a run.
 *
 * Everything in it is looked up by digest or by the index of what is unlinked. Of a table with some thousand rows, and of
 * one whose statistics are from when it had, Postgres thinks that reading all of it is cheaper than a hundred look-ups;
 * then what a run costs, and how long its locks are held, follows what is stored and not what goes (decision 0032).
 *
 * @throws CollectionSupersededError (code COLLECTION_SUPERSEDED)
 */
export function removeFor<T>(
  database: Knex,
  run: CollectionRun,
  remove: (transaction: Knex.Transaction) => Promise<T>,
): Promise<T> {
  return database.transaction(async (transaction) => {
    await transaction.raw('SET LOCAL enable_seqscan = off');
    await passFence(transaction, run);
    return remove(transaction);
  });
}

/**
 * Lets a transaction that removes something go on only when no later run has removed anything: a process that slept
 * through its lease must not act on a plan that is no longer true.
 */
async function passFence(transaction: Knex.Transaction, run: CollectionRun): Promise<void> {
  if (run.token === undefined) return;
  const passed = await selectRows(
    transaction,
    'UPDATE collector_fence SET token = :token WHERE token <= :token RETURNING token',
    { token: run.token },
  );
  if (passed.length === 0) throw new CollectionSupersededError(run);
}
