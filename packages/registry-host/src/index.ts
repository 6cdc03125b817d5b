export {
  type EmbeddedPostgres,
  type EmbeddedPostgresConnection,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres/index.js';
