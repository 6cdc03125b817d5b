/** Why the embedded Postgres cannot run. */
export type EmbeddedPostgresFailure =
  /** No binaries for this operating system, processor or C library. */
  | 'EMBEDDED_POSTGRES_UNSUPPORTED'
  /** Another process is using the data directory. */
  | 'EMBEDDED_POSTGRES_IN_USE'
  /** The data directory was written by another major version of Postgres, or is not one of Postgres at all. */
  | 'EMBEDDED_POSTGRES_DATA'
  /** There is no ordinary user that the server could run as. */
  | 'EMBEDDED_POSTGRES_USER'
  /** The server would not start for another reason, which the message quotes. */
  | 'EMBEDDED_POSTGRES_FAILED';

/**
 * The embedded Postgres cannot run. The message is one line which says why and names the way out, a server of one's own
 * in BREAKWATER_DATABASE_URL. Tell it by `code`.
 */
export class EmbeddedPostgresError extends Error {
  constructor(
    readonly code: EmbeddedPostgresFailure,
    reason: string,
  ) {
    super(`${reason.replaceAll(/\s+/g, ' ').trim()}; or set BREAKWATER_DATABASE_URL to a Postgres server of your own`);
    this.name = 'EmbeddedPostgresError';
  }
}
