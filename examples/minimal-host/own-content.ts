import { open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as core from '@breakwater/registry-core';

type Link = Omit<core.InspectedLink, 'tags' | 'keptBy' | 'more'> & { readonly manifest?: core.StoredManifest };
type Content = Omit<Link, 'usedAt'>;

const keyOf = ({ repository, kind, digest }: core.LinkKey) => `${core.repositoryKey(repository)} ${kind} ${digest}`;

/** A storage of its own, in all that the hooks ask of one: links and manifests in memory, blobs as files. */
export class OwnContent implements core.ManifestStore, core.BlobStore, core.ContentSweep, core.SweepCandidates {
  readonly #links = new Map<string, Link>();
  readonly #path = (digest: core.Digest) => join(this.directory, core.digestHex(digest));
  readonly #link = (content: Content) => this.#links.set(keyOf(content), { ...content, usedAt: this.clock.now() });
  readonly remove = (links: readonly core.ContentLink[]) => Promise.all(links.map((link) => this.#unlink(link)));
  constructor(
    readonly directory: string,
    readonly clock: core.Clock,
  ) {}

  async get(repository: core.Repository, digest: core.Digest) {
    return this.#links.get(keyOf({ repository, kind: 'manifest', digest }))?.manifest;
  }
  async put(repository: core.Repository, manifest: core.StoredManifest) {
    const references = core.manifestReferences(core.parseManifest(manifest.bytes, manifest.mediaType));
    const keeps = references.map(({ kind, descriptor }) => ({ kind, digest: descriptor.digest }));
    this.#link({ repository, kind: 'manifest', digest: manifest.digest, manifest, keeps });
  }
  async open(repository: core.Repository, digest: core.Digest): Promise<core.OpenBlob | undefined> {
    if (!this.#links.has(keyOf({ repository, kind: 'blob', digest }))) return undefined;
    const file = await open(this.#path(digest));
    const read = async (into: Uint8Array, at: number) => (await file.read(into, 0, into.byteLength, at)).bytesRead;
    return { size: (await file.stat()).size, read, close: () => file.close() };
  }
  async import(repository: core.Repository, digest: core.Digest, file: string) {
    await rename(file, this.#path(digest));
    this.#link({ repository, kind: 'blob', digest, keeps: [] });
  }
  async inspect(links: readonly core.LinkKey[]) {
    const found = links.map((key) => this.#links.get(keyOf(key)));
    return found.map((link) => link && { ...link, tags: [], keptBy: this.#keptBy(link), more: false });
  }
  // Every link each time: simple, and as slow as there are many.
  async candidates({ usedBefore }: core.SweepCandidateQuery) {
    const old = [...this.#links.values()].filter((link) => link.usedAt < usedBefore);
    return { candidates: old.map((link) => ({ ...link, id: keyOf(link) })), next: undefined };
  }
  async #unlink(link: core.ContentLink) {
    if (this.#links.get(keyOf(link))?.usedAt !== link.usedAt || this.#keptBy(link).length > 0) return false;
    this.#links.delete(keyOf(link));
    const isShared = [...this.#links.values()].some(({ digest }) => digest === link.digest);
    if (link.kind === 'blob' && !isShared) await unlink(this.#path(link.digest));
    return true;
  }
  #keptBy({ repository, digest }: core.LinkKey) {
    const here = core.repositoryKey(repository);
    const keeps = (link: Link) => link.keeps.some((kept) => kept.digest === digest);
    const near = [...this.#links.values()].filter((link) => core.repositoryKey(link.repository) === here);
    return near.filter(keeps).map((link) => link.digest);
  }
}
