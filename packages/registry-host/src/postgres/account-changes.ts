import { type Clock, callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { AccountLog } from '../access/account-log.js';
import { ApiTokens } from '../access/api-tokens.js';
import { PostgresAccountLog } from './postgres-account-log.js';
import { PostgresApiTokens } from './postgres-api-tokens.js';
import { PostgresUsers } from './postgres-users.js';

/** Accounts within one transaction. */
export interface ChangingAccounts {
  readonly users: PostgresUsers;
  readonly tokens: Pick<ApiTokens, 'create'>;
  readonly tokenRows: PostgresApiTokens;
  readonly log: AccountLog;
}

/** Changes accounts together with the log of it: both are written, or neither is. */
export class AccountChanges {
  readonly #database: Knex;
  readonly #clock: Clock;

  constructor(options: { readonly database: Knex; readonly clock: Clock }) {
    this.#database = options.database;
    this.#clock = options.clock;
  }

  /** @throws whatever `work` throws, and then nothing is changed; RegistryError UNAVAILABLE without the database */
  run<T>(work: (accounts: ChangingAccounts) => Promise<T>): Promise<T> {
    const clock = this.#clock;
    return callDatabase(() =>
      this.#database.transaction(async (database) => {
        const tokenRows = new PostgresApiTokens({ database });
        const users = new PostgresUsers({ database, clock });
        return work({
          users,
          tokenRows,
          tokens: new ApiTokens(tokenRows, clock),
          log: new PostgresAccountLog({ database, clock }),
        });
      }),
    );
  }
}
