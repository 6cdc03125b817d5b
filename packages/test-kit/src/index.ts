export { type Duration, durationMs, type MovableClock, movableClock } from './clock/movable-clock.js';
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
