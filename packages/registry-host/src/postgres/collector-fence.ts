import { type CollectionRun, CollectionSupersededError } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import { selectRows } from './sql.js';

/**
 * Lets a transaction that removes something go on only when no later run has removed anything: a process that slept
 * through its lease must not act on a plan that is no longer true.
 *
 * @throws CollectionSupersededError (code COLLECTION_SUPERSEDED)
 */
export async function passFence(transaction: Knex.Transaction, run: CollectionRun): Promise<void> {
  if (run.token === undefined) return;
  const passed = await selectRows(
    transaction,
    'UPDATE collector_fence SET token = :token WHERE token <= :token RETURNING token',
    { token: run.token },
  );
  if (passed.length === 0) throw new CollectionSupersededError(run);
}
