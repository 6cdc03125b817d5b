import {
  bareMediaType,
  type Digest,
  digestAlgorithm,
  digestHex,
  isGenericMediaType,
  isRegistryError,
  LARGEST_MANIFEST_BYTES,
  OCI_INDEX,
  parseManifest,
  parseTag,
} from '@breakwater/registry-core';
import type { AnsweredReferrers, ReferrersPageRequest } from '@breakwater/registry-http';
import { fetchManifest } from '../manifests/fetch-manifest.js';
import type { ProxiedRepository } from '../ports.js';
import { isUpstreamError, UpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamReferrers, UpstreamRegistry } from '../upstream/upstream-registry.js';
import type { Listing } from './listing.js';
import type { ListingRequest, TellRequest, WiderListing } from './listing-checks.js';

const EMPTY = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
/** Longest part of a digest in a tag of the fallback (distribution-spec, "Referrers Tag Schema"). */
const MAX_TAG_HEX = 64;

/** How an upstream is asked for what refers to a manifest. */
export function referrersRequest(
  repository: ProxiedRepository,
  subject: Digest,
  page: ReferrersPageRequest,
): ListingRequest {
  const { artifactType, next } = page;
  const query = new URLSearchParams({
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(next === undefined ? {} : { next }),
  });
  return {
    key: { repository, kind: 'referrers', subject, page: query.toString() },
    ...(artifactType === undefined || next !== undefined
      ? {}
      : { wider: unfiltered(repository, subject, artifactType) }),
    async ask(upstream, tell, signal) {
      const asked = next ?? new URLSearchParams(artifactType === undefined ? {} : { artifactType }).toString();
      tell('referrers');
      const answer = await upstream.listReferrers(repository.name, subject, asked, signal);
      const body = answer === undefined ? undefined : indexOf(answer);
      if (answer !== undefined && body !== undefined) {
        return { body, filtered: answer.filtered, ...(answer.next === undefined ? {} : { next: answer.next }) };
      }
      // A page after the first is no other list's: an upstream that gave one and takes it back has no answer.
      if (next !== undefined) throw unusable('the upstream does not know its own next page');
      return referrersTag(upstream, repository, subject, artifactType, tell, signal);
    },
  };
}

/** The list of all referrers holds those of one type, too, if it is whole. */
function unfiltered(repository: ProxiedRepository, subject: Digest, artifactType: string): WiderListing {
  return {
    key: { repository, kind: 'referrers', subject, page: '' },
    narrow: ({ body, next }) => (next === undefined ? { body: ofType(body, artifactType), filtered: true } : undefined),
  };
}

/** A listing of referrers as the page that a client asked for. */
export function toReferrers(
  { body, next, filtered }: Listing,
  { artifactType }: ReferrersPageRequest,
): AnsweredReferrers {
  return { body: Buffer.from(body), artifactType, next, filtered };
}

/** The index that clients keep under a tag where a registry has no referrers (distribution-spec, "Referrers Tag Schema"). */
async function referrersTag(
  upstream: UpstreamRegistry,
  { name }: ProxiedRepository,
  subject: Digest,
  artifactType: string | undefined,
  tell: TellRequest,
  signal: AbortSignal,
): Promise<Listing> {
  const filtered = artifactType !== undefined;
  const tag = parseTag(`${digestAlgorithm(subject)}-${digestHex(subject).slice(0, MAX_TAG_HEX)}`);
  if (tag === undefined) throw new Error('a digest always makes a tag');
  tell('manifest');
  try {
    const { bytes, mediaType } = await fetchManifest(upstream, name, { kind: 'tag', tag }, signal);
    const text = indexText(bytes, mediaType);
    return { body: filtered ? ofType(text, artifactType) : text, filtered };
  } catch (error) {
    if (!isUpstreamError(error) || error.failureClass !== 'removed') throw error;
    return { body: JSON.stringify(EMPTY), filtered };
  }
}

/** The text of an answer; `undefined` for one that is no index and was not said to be one: there are no referrers then. */
function indexOf({ bytes, contentType }: UpstreamReferrers): string | undefined {
  try {
    return indexText(bytes, contentType);
  } catch (error) {
    if (isUpstreamError(error) && isGenericMediaType(bareMediaType(contentType))) return undefined;
    throw error;
  }
}

/** The text of an index that every client reads the same way. */
function indexText(bytes: Uint8Array, contentType: string | undefined): string {
  try {
    if (parseManifest(bytes, contentType, LARGEST_MANIFEST_BYTES).mediaType === OCI_INDEX)
      return new TextDecoder().decode(bytes);
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    throw unusable(`the upstream sent referrers that cannot be used: ${error.message}`);
  }
  throw unusable('the upstream sent referrers that are no OCI index');
}

/** An answer that says nothing about the upstream's health. */
function unusable(message: string): UpstreamError {
  return new UpstreamError('protocol', message, { isOfContent: true });
}

/** The same index with the manifests of one type only. */
function ofType(text: string, artifactType: string): string {
  const index = JSON.parse(text) as { readonly manifests: readonly { readonly artifactType?: unknown }[] };
  return JSON.stringify({ ...index, manifests: index.manifests.filter((each) => each.artifactType === artifactType) });
}
