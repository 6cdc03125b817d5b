import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Digest, OCI_INDEX, type Repository } from '@breakwater/registry-core';
import type { ExtraHeaders } from './answer-manifest.js';

/** Which referrers are asked for. */
export interface ReferrersPageRequest {
  /** Only those of this type; `undefined` for all. */
  readonly artifactType: string | undefined;
  /** What the link of the page before this one carried; `undefined` for the first page. */
  readonly next: string | undefined;
}

/** Referrers that are to be sent. */
export interface AnsweredReferrers {
  /** An OCI index. */
  readonly body: Buffer;
  readonly artifactType: string | undefined;
  /** What our link to the next page is to carry; `undefined` when there is none. */
  readonly next: string | undefined;
  /** Whether what is not of the type that was asked for is left out. */
  readonly filtered: boolean;
}

/** Reads `artifactType` (distribution-spec, "Listing Referrers") and the `next` of our own links; empty counts as none. */
export function parseReferrersPage(query: string): ReferrersPageRequest {
  const parameters = new URLSearchParams(query);
  return { artifactType: parameters.get('artifactType') || undefined, next: parameters.get('next') || undefined };
}

/** Answers HEAD or GET of referrers, with a link to our own next page. */
export function answerReferrers(
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  subject: Digest,
  page: AnsweredReferrers,
  extra: ExtraHeaders,
): void {
  response.writeHead(200, {
    'content-type': OCI_INDEX,
    'content-length': page.body.byteLength,
    'x-content-type-options': 'nosniff',
    'docker-distribution-api-version': 'registry/2.0',
    ...(page.filtered ? { 'oci-filters-applied': 'artifactType' } : {}),
    ...(page.next === undefined ? {} : { link: nextLink(repository, subject, page.artifactType, page.next) }),
    ...extra,
  });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}

function nextLink(repository: Repository, subject: Digest, artifactType: string | undefined, next: string): string {
  const query = new URLSearchParams({ ...(artifactType === undefined ? {} : { artifactType }), next });
  return `</v2/${repository.organization}/${repository.name}/referrers/${subject}?${query}>; rel="next"`;
}
