import { open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as core from '@breakwater/registry-core';

type Link = core.ContentLink & { readonly manifest?: core.StoredManifest };
type Content = Omit<Link, 'usedAt'>;

const keyOf = ({ repository, kind, digest }: Content) => `${core.repositoryKey(repository)} ${kind} ${digest}`;

/** A storage of its own, in all that the hooks ask of one: links and manifests in memory, blobs as files. */
export class OwnContent implements core.ManifestStore, core.BlobStore, core.ContentSweep {
  readonly #links = new Map<string, Link>();
  readonly #path = (digest: core.Digest) => join(this.directory, core.digestHex(digest));
  readonly #link = (content: Content) => this.#links.set(keyOf(content), { ...content, usedAt: this.clock.now() });
  constructor(
    readonly directory: string,
    readonly clock: core.Clock,
  ) {}

  async get(repository: core.Repository, digest: core.Digest) {
    return this.#links.get(keyOf({ repository, kind: 'manifest', digest }))?.manifest;
  }
  async put(repository: core.Repository, manifest: core.StoredManifest) {
    this.#link({ repository, kind: 'manifest', digest: manifest.digest, manifest });
  }
  async open(repository: core.Repository, digest: core.Digest): Promise<core.OpenBlob | undefined> {
    if (!this.#links.has(keyOf({ repository, kind: 'blob', digest }))) return undefined;
    const file = await open(this.#path(digest));
    const read = async (into: Uint8Array, at: number) => (await file.read(into, 0, into.byteLength, at)).bytesRead;
    return { size: (await file.stat()).size, read, close: () => file.close() };
  }
  async import(repository: core.Repository, digest: core.Digest, file: string) {
    await rename(file, this.#path(digest));
    this.#link({ repository, kind: 'blob', digest });
  }
  async unreachable(usedBefore: number, kind: 'manifest' | 'blob') {
    const old = [...this.#links.values()].filter((link) => link.kind === kind && link.usedAt < usedBefore);
    return { links: old.filter((link) => !this.#isNeeded(link)), next: undefined };
  }
  remove(links: readonly core.ContentLink[]) {
    return Promise.all(links.map((link) => this.#unlink(link)));
  }
  async #unlink(link: core.ContentLink) {
    if (this.#links.get(keyOf(link))?.usedAt !== link.usedAt || this.#isNeeded(link)) return false;
    this.#links.delete(keyOf(link));
    const isShared = [...this.#links.values()].some(({ digest }) => digest === link.digest);
    if (link.kind === 'blob' && !isShared) await unlink(this.#path(link.digest));
    return true;
  }
  #isNeeded({ repository, digest }: core.ContentLink) {
    const here = core.repositoryKey(repository);
    return [...this.#links.values()].some(
      (link) => core.repositoryKey(link.repository) === here && needs(link.manifest, digest),
    );
  }
}

function needs(manifest: core.StoredManifest | undefined, digest: core.Digest): boolean {
  if (manifest === undefined) return false;
  const references = core.manifestReferences(core.parseManifest(manifest.bytes, manifest.mediaType));
  return references.some(({ descriptor }) => descriptor.digest === digest);
}
