import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Digest, OCI_INDEX, type Repository } from '@breakwater/registry-core';
import { answerReferrers, parseReferrersPage } from '@breakwater/registry-http';
import type { Referrer, ReferrerLists } from './hosted-content.js';

/** Referrers of one page: with the largest annotations that a manifest can have, a page still is no larger than one. */
const PAGE = 100;

/** Answers GET of referrers (distribution-spec, "Listing Referrers"): always a list, if need be an empty one. */
export async function answerHostedReferrers(
  lists: ReferrerLists,
  request: IncomingMessage,
  response: ServerResponse,
  target: { readonly repository: Repository; readonly digest: Digest; readonly query: string },
): Promise<void> {
  const { artifactType, next: last } = parseReferrersPage(target.query);
  const { referrers, more } = await lists.referrers(target.repository, target.digest, {
    artifactType,
    last,
    limit: PAGE,
  });
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: referrers.map(toDescriptor) };
  const page = {
    body: Buffer.from(JSON.stringify(index)),
    artifactType,
    next: more ? referrers.at(-1)?.digest : undefined,
    filtered: artifactType !== undefined,
  };
  answerReferrers(request, response, target.repository, target.digest, page, {});
}

function toDescriptor({ mediaType, digest, size, artifactType, annotations }: Referrer): unknown {
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
