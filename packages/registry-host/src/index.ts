export { type Config, ConfigError, readConfig } from './config/read-config.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresConnection,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres/index.js';
export { allMigrations } from './lifecycle/migrate.js';
export { type Registry, type RegistryFacts, type RegistryOptions, startRegistry } from './start-registry.js';
