import type { Digest } from '../oci/digest.js';
import type { Repository, Tag } from '../oci/reference.js';

/** A page of tags in lexical order (distribution-spec, "Listing tags"). */
export interface TagPage {
  readonly tags: readonly Tag[];
  readonly more: boolean;
}

/** Tags of hosted repositories. The tags of proxied ones live with the proxy cache. */
export interface TagStore {
  resolve(repository: Repository, tag: Tag): Promise<Digest | undefined>;
  /** Tags after `last`, at most `limit`; `undefined` when there is no such repository. */
  list(
    repository: Repository,
    page: { readonly last: string | undefined; readonly limit: number },
  ): Promise<TagPage | undefined>;
}
