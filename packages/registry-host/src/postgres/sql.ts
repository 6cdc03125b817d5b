import type { Repository } from '@breakwater/registry-core';
import type { Knex } from 'knex';

/** Runs one statement, written out, and gives its rows. Bindings are named: `:digest`. */
export async function selectRows<Row>(
  on: Knex,
  sql: string,
  bindings: Readonly<Record<string, Knex.RawBinding>> = {},
): Promise<readonly Row[]> {
  const result = await on.raw<{ readonly rows: readonly Row[] }>(sql, bindings);
  return result.rows;
}

/** The columns that a repository is in every table. Hosted content has the upstream ''. */
export function repositoryColumns(repository: Repository): {
  readonly organization: string;
  readonly upstream: string;
  readonly repository: string;
} {
  return {
    organization: repository.organization,
    upstream: repository.upstream ?? '',
    repository: repository.name,
  };
}
