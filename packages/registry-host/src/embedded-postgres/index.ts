export { EmbeddedPostgresError, type EmbeddedPostgresFailure } from './failure.js';
export { findRunningPostgres } from './find-running-postgres.js';
export type { Platform } from './platform.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresConnection,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './start-embedded-postgres.js';
