/** Errors whose message is all that whoever typed the command needs. */
const PLAIN_ERRORS: ReadonlySet<unknown> = new Set([
  'ConfigError',
  'EmbeddedPostgresError',
  'SecretFileError',
  'NoRegistryError',
]);

/** What to tell a person of a failure: its message where that says it all, else where it came from, too. */
export function explainFailure(error: unknown): string {
  const { name, message = '', stack } = (error ?? {}) as Partial<Error>;
  return PLAIN_ERRORS.has(name) ? message : (stack ?? message);
}
