export { type ProgramOptions, type ProgramResult, runProgram } from './clients/child-process.js';
export { type DockerRegistry, type DockerRegistryOptions, startDockerRegistry } from './clients/docker-registry.js';
export { type HostsEntry, hostsEntry, hostsFileAccess } from './clients/hosts-entry.js';
export { RAW_TIMEOUT, type RawAnswer, type RawRequestOptions, rawGet } from './clients/raw-client.js';
export { pullImage, type RawPull } from './clients/raw-pull.js';
export {
  type PushedAnswer,
  type PushTarget,
  pushBlob,
  pushImage,
  pushManifest,
  writeRequest,
} from './clients/raw-push.js';
export { type RedisServer, type RedisServerOptions, startRedisServer } from './clients/redis-server.js';
export {
  type CopiedFile,
  type SkopeoCopy,
  type SkopeoCopyOptions,
  type SkopeoPushOptions,
  skopeoCopy,
  skopeoPush,
  writeDirectoryLayout,
} from './clients/skopeo.js';
export {
  buildahTool,
  chromiumTool,
  containerdTool,
  dockerRegistryTool,
  podmanTool,
  redisServerTool,
  skopeoTool,
} from './clients/tools.js';
export { type Duration, durationMs, type MovableClock, movableClock } from './clock/movable-clock.js';
export { type BrokenRegistry, startBrokenRegistry } from './conformance/broken-registry.js';
export type { Check, Section } from './conformance/check.js';
export { ALL_CHECKS } from './conformance/checks/all-checks.js';
export { type CheckResult, type ConformanceTarget, runConformance } from './conformance/run-conformance.js';
export type { Registry as ConformanceRegistry } from './conformance/session.js';
export { describeBlobStore, readBlob, writeBlobFile } from './contracts/blob-store-contract.js';
export { describeKeyValueStore } from './contracts/key-value-store-contract.js';
export { describeManifestStore, storable } from './contracts/manifest-store-contract.js';
export { describeMessages } from './contracts/messages-contract.js';
export { repositoryOf, tagOf } from './contracts/repositories.js';
export { describeTagStore } from './contracts/tag-store-contract.js';
export { BREAKAGES, type Breakage, breakImage } from './images/broken-images.js';
export {
  type BuiltContent,
  type BuiltDescriptor,
  type BuiltImage,
  type BuiltIndex,
  type BuiltManifest,
  type BuiltPlatform,
  buildImage,
  buildIndex,
  type ImageOptions,
  type IndexOptions,
  manifestFrom,
  manifestOf,
} from './images/image-builder.js';
export { MemoryBlobStore } from './memory/memory-blob-store.js';
export { MemoryManifestStore } from './memory/memory-manifest-store.js';
export { MemoryTagStore } from './memory/memory-tag-store.js';
export { describeWith, type Need, programPath, root, testWith, tool } from './needs.js';
export { createTestDatabase, type TestDatabase, type TestDatabaseOptions } from './postgres/create-test-database.js';
export { openPool } from './postgres/pool.js';
export type { TestConnection } from './postgres/test-server.js';
export type { ApiContract, DocumentedOperation } from './registry/api-contract.js';
export {
  type ApiAnswer,
  registryState,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryOptions,
  type TestRegistryState,
} from './registry/start-test-registry.js';
export type { BrokenEnd } from './upstream/answer-plan.js';
export { type BlackHole, startBlackHole } from './upstream/black-hole.js';
export { type Certificate, type CertificateOptions, selfSignedCertificate } from './upstream/certificate.js';
export { type ConnectProxy, type ConnectProxyOptions, startConnectProxy } from './upstream/connect-proxy.js';
export { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './upstream/fault-proxy.js';
export { type FaultUpstream, type FaultUpstreamOptions, startFaultUpstream } from './upstream/fault-upstream.js';
export type { Fault, FaultHandle, FaultScope } from './upstream/faults.js';
export type { UpstreamAuth } from './upstream/upstream-auth.js';
export type {
  RequestMatcher,
  UpstreamRequest,
  UpstreamRequestKind,
  UpstreamServer,
  UpstreamTarget,
} from './upstream/upstream-request.js';
