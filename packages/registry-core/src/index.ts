export { CallGate } from './call-gate.js';
export { type Clock, systemClock } from './clock.js';
export {
  callDatabase,
  type DatabaseCallOptions,
  type DatabaseUnavailableOptions,
  databaseUnavailable,
  isDatabaseUnavailable,
} from './database-call.js';
export { editDistance } from './edit-distance.js';
export { FAILURE_CLASSES, type FailureClass, type OutageClass, type UpstreamFailureClass } from './failures.js';
export type { Access, AccessAction, AccessTarget, Principal } from './host/access.js';
export type { BlobStore, OpenBlob } from './host/blob-store.js';
export {
  type CollectionRun,
  CollectionSupersededError,
  type ContentDisposal,
  type ContentLink,
  type ContentSweep,
  type ContentUsage,
  type ContentUse,
  type DisposableContent,
  type DisposablePage,
  type InspectedLink,
  type LinkKey,
  type ReconciledStore,
  type Reconciliation,
  type StaleFiles,
  type SweepCandidate,
  type SweepCandidatePage,
  type SweepCandidateQuery,
  type SweepCandidates,
  type SweepQueue,
} from './host/content-sweep.js';
export type { ManifestStore, StoredManifest } from './host/manifest-store.js';
export type { TagPage, TagStore } from './host/tag-store.js';
export {
  PREFETCH_MODES,
  type PrefetchMode,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  type UpstreamCredentials,
} from './host/upstream-settings.js';
export { type LogFields, type Logger, silentLogger } from './logger.js';
export {
  type Digest,
  type DigestAlgorithm,
  DigestMismatchError,
  DigestVerifier,
  digestAlgorithm,
  digestHex,
  digestOf,
  parseDigest,
  verifyingStream,
} from './oci/digest.js';
export {
  isRegistryError,
  REGISTRY_ERRORS,
  RegistryError,
  type RegistryErrorCode,
  type RegistryErrorOptions,
} from './oci/errors.js';
export {
  type Descriptor,
  type ImageManifest,
  type IndexManifest,
  LARGEST_MANIFEST_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  manifestReferences,
  parseManifest,
  referrerType,
} from './oci/manifest.js';
export {
  bareMediaType,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  isGenericMediaType,
  isIndexMediaType,
  isManifestMediaType,
  isSchema1MediaType,
  MANIFEST_ACCEPT,
  type ManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from './oci/media-types.js';
export {
  formatReference,
  MAX_NAME_LENGTH,
  type OrganizationName,
  parseOrganizationName,
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type Repository,
  type RepositoryName,
  repositoryKey,
  type Tag,
} from './oci/reference.js';
export {
  DOCKER_HUB_NAMES,
  formatUpstreamAddress,
  parseUpstreamAddress,
  type UpstreamAddress,
} from './oci/upstream-address.js';
export { ChangeNotices, type ChangeNoticesOptions } from './shared-state/change-notices.js';
export { InProcessKeyValueStore, type InProcessLimits } from './shared-state/in-process-key-value-store.js';
export { InProcessMessages } from './shared-state/in-process-messages.js';
export {
  isKeepable,
  type KeyValueStore,
  MAX_SHARED_KEY_LENGTH,
  MAX_SHARED_VALUE_LENGTH,
} from './shared-state/key-value-store.js';
export { MAX_MESSAGE_LENGTH, type MessageListener, type Messages } from './shared-state/messages.js';
export { Subscriptions } from './shared-state/subscriptions.js';
