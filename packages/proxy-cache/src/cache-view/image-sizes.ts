import { type Digest, type ManifestStore, parseManifest } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import type { ProxiedRepository } from '../ports.js';

/** Manifests never change, so what was read once holds. */
const REMEMBERED = 20_000;
/** Manifests of an index that are looked at. */
const MAX_CHILDREN = 100;

type Known =
  | { readonly kind: 'image'; readonly bytes: number }
  | { readonly kind: 'index'; readonly bytes: number; readonly children: readonly Digest[] };

/** How large images are, by what their manifests say: of an index the platforms that were pulled. */
export class ImageSizes {
  readonly #known = new LRUCache<Digest, Known>({ max: REMEMBERED });

  constructor(private readonly manifests: Pick<ManifestStore, 'get'>) {}

  /** Bytes of manifests, configs and layers; `undefined` when the manifest is not stored, or is none. */
  async size(repository: ProxiedRepository, digest: Digest): Promise<number | undefined> {
    const known = await this.#read(repository, digest);
    if (known === undefined || known.kind === 'image') return known?.bytes;
    let bytes = known.bytes;
    for (const child of known.children) {
      const platform = await this.#read(repository, child);
      bytes += platform?.bytes ?? 0;
    }
    return bytes;
  }

  async #read(repository: ProxiedRepository, digest: Digest): Promise<Known | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const stored = await this.manifests.get(repository, digest);
    if (stored === undefined) return undefined;
    const read = sizeOf(stored.bytes, stored.mediaType);
    if (read !== undefined) this.#known.set(digest, read);
    return read;
  }
}

function sizeOf(bytes: Uint8Array, mediaType: string): Known | undefined {
  try {
    const manifest = parseManifest(bytes, mediaType);
    if (manifest.kind === 'index') {
      const children = manifest.manifests.slice(0, MAX_CHILDREN).map(({ digest }) => digest);
      return { kind: 'index', bytes: bytes.byteLength, children };
    }
    const contents = [manifest.config, ...manifest.layers];
    return { kind: 'image', bytes: contents.reduce((sum, { size }) => sum + size, bytes.byteLength) };
  } catch {
    return undefined;
  }
}
