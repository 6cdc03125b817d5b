export { type Config, ConfigError, readConfig } from './config/read-config.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresConnection,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres/index.js';
export { allMigrations } from './lifecycle/migrate.js';
export type { Disk } from './start-registry.js';
export { type Registry, type RegistryFacts, type RegistryOptions, startRegistry } from './start-registry.js';
export { type FileReads, type FileSystem, nodeFileReads, nodeFileSystem } from './storage/file-system.js';
