/** One sentence of the distribution-spec that says what must or should be, and what becomes of it here. */
export interface SpecSentence {
  /** The spec's own words, without links. */
  readonly says: string;
  /** The checks that look at it. */
  readonly checks?: readonly string[];
  /** Why none does. */
  readonly unchecked?: string;
}

export interface SpecSection {
  readonly title: string;
  readonly sentences: readonly SpecSentence[];
}

const FOR_CLIENTS = 'for clients';

/** Every sentence with MUST, SHOULD, REQUIRED or RECOMMENDED from "Requirements" to "Warnings", in the spec's order: its commit 967efdc, after 1.1.1. */
export const SPEC_SECTIONS: readonly SpecSection[] = [
  {
    title: 'Requirements',
    sentences: [
      {
        says: 'All registries conforming to this specification MUST support, at a minimum, all APIs in the **Pull** category.',
        unchecked: 'what the sections below say, taken together',
      },
      {
        says: 'Registries SHOULD also support the **Push**, **Content Discovery**, and **Content Management** categories.',
        unchecked: 'what the sections below say, taken together',
      },
      {
        says: 'A registry claiming conformance with one of these specification categories MUST implement all APIs in the claimed category.',
        unchecked: 'what the sections below say, taken together',
      },
    ],
  },
  {
    title: 'Pulling manifests',
    sentences: [
      {
        says: '`<tag-or-digest>` MUST be either (a) the digest of the manifest or (b) a tag.',
        checks: ['pull.tag-grammar', 'push.digest-unsupported-manifest'],
      },
      { says: 'The `<tag-or-digest>` MUST NOT be in any other format.', checks: ['pull.tag-grammar'] },
      {
        says: 'Throughout this document, `<name>` MUST match the following regular expression:',
        checks: ['pull.names', 'pull.name-grammar'],
      },
      {
        says: 'Throughout this document, `<tag-or-digest>` as a tag MUST be at most 128 characters in length and MUST match the following regular expression:',
        checks: ['pull.names', 'pull.tag-grammar'],
      },
      {
        says: 'The client SHOULD include an `Accept` header indicating which manifest content types it supports.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The registry SHOULD NOT include parameters on the `Content-Type` header.',
        checks: ['pull.manifest-type-parameters'],
      },
      { says: 'The client SHOULD ignore parameters on the `Content-Type` header.', unchecked: FOR_CLIENTS },
      {
        says: "The `Content-Type` header SHOULD match what the client pushed as the manifest's `Content-Type`.",
        checks: ['pull.manifest-content-type', 'pull.head-manifest-type'],
      },
      {
        says: "If the manifest has a `mediaType` field, clients SHOULD reject unless the `mediaType` field's value matches the type specified by the `Content-Type` header.",
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be `200 OK`.',
        checks: ['pull.manifest-by-tag', 'pull.manifest-by-digest'],
      },
      {
        says: 'A successful response MUST contain the digest of the uploaded blob in the header `Docker-Content-Digest`.',
        checks: ['pull.manifest-digest-header', 'pull.manifest-digest-matches', 'pull.manifest-digest-by-digest'],
      },
      {
        says: 'Most clients MAY ignore the value, but if it is used, the client MUST verify the value matches the returned manifest.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'If the `<tag-or-digest>` part of a manifest request is a digest, clients SHOULD verify the returned manifest matches this digest.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'If the manifest is not found in the repository, the response code MUST be `404 Not Found`.',
        checks: ['pull.manifest-unknown-tag', 'pull.manifest-unknown-digest'],
      },
    ],
  },
  {
    title: 'Pulling blobs',
    sentences: [
      {
        says: 'A GET request to an existing blob URL MUST provide the expected blob, with a response code that MUST be `200 OK`.',
        checks: ['pull.blob', 'pull.sha512'],
      },
      {
        says: 'A successful response MUST contain the digest of the uploaded blob in the header `Docker-Content-Digest`.',
        checks: ['pull.blob-digest-header'],
      },
      {
        says: 'If present, the value of this header MUST be a digest matching that of the response body.',
        checks: ['pull.blob-digest-matches'],
      },
      {
        says: 'Most clients MAY ignore the value, but if it is used, the client MUST verify the value matches the returned response body.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'Clients SHOULD verify that the response body matches the requested digest.', unchecked: FOR_CLIENTS },
      {
        says: 'If the blob is not found in the repository, the response code MUST be `404 Not Found`.',
        checks: ['pull.blob-unknown', 'pull.repository-unknown-blob'],
      },
      {
        says: 'A registry SHOULD support the `Range` request header in accordance with RFC 9110 (section 14).',
        checks: ['pull.range', 'pull.range-suffix', 'pull.range-beyond'],
      },
    ],
  },
  {
    title: 'Checking if content exists in the registry',
    sentences: [
      {
        says: 'A HEAD request to an existing blob or manifest URL MUST return `200 OK`.',
        checks: ['pull.head-manifest', 'pull.head-blob'],
      },
      {
        says: 'A successful response MUST contain the digest of the uploaded blob or manifest in the header `Docker-Content-Digest`.',
        checks: ['pull.head-manifest-digest', 'pull.head-blob-digest'],
      },
      {
        says: 'A successful response MUST contain the size in bytes of the uploaded blob or manifest in the header `Content-Length`.',
        checks: ['pull.head-manifest-length', 'pull.head-blob-length'],
      },
      {
        says: 'If the blob or manifest is not found in the repository, the response code MUST be `404 Not Found`.',
        checks: ['pull.head-unknown'],
      },
    ],
  },
  {
    title: 'Push',
    sentences: [
      {
        says: 'A registry MUST initially accept an otherwise valid manifest with a `subject` field that references a manifest that does not exist in the repository, allowing clients to push a manifest and referrers to that manifest in either order.',
        checks: ['push.subject-missing', 'discovery.referrers-before-subject'],
      },
      {
        says: 'When a manifest is rejected for this reason, it MUST result in one or more `MANIFEST_BLOB_UNKNOWN` errors.',
        checks: ['push.manifest-blob-unknown'],
      },
    ],
  },
  {
    title: 'Pushing blobs',
    sentences: [
      {
        says: 'In each implementation, if the client provided digest is invalid or uses an unsupported algorithm, the registry SHOULD respond with a response code `400 Bad Request`.',
        checks: [
          'push.digest-invalid',
          'push.digest-unsupported',
          'push.digest-mismatch',
          'push.digest-mismatch-post',
          'push.digest-mismatch-chunks',
          'push.digest-mismatch-manifest',
          'push.digest-unsupported-post',
          'push.digest-unsupported-manifest',
          'push.digest-unsupported-mount',
        ],
      },
    ],
  },
  {
    title: 'POST then PUT',
    sentences: [
      {
        says: 'Upon success, the response MUST have a code of `202 Accepted`, and MUST include the following header:',
        checks: ['push.upload-accepted', 'push.upload-location'],
      },
      {
        says: 'The `<blob-push-location>` MUST contain a UUID representing a unique session ID for the upload to follow.',
        checks: ['push.upload-uuid'],
      },
      {
        says: 'Additionally, it SHOULD match exactly the `<blob-push-location>` obtained from the `POST` request.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'It SHOULD NOT be assembled manually by clients except where absolute/relative conversion is necessary.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'Upon successful completion of the request, the response MUST have code `201 Created` and MUST have the following header:',
        checks: ['push.whole', 'push.whole-location', 'push.empty'],
      },
    ],
  },
  {
    title: 'Single POST',
    sentences: [
      {
        says: "The `Content-Length` header MUST match the blob's actual content length.",
        unchecked: 'for clients; node:http itself refuses a body that is longer or shorter',
      },
      { says: "Likewise, the `<digest>` MUST match the blob's digest.", checks: ['push.digest-mismatch-post'] },
      {
        says: 'Registries that do not support single request monolithic uploads SHOULD return a `202 Accepted` status code and `Location` header and clients SHOULD proceed with a subsequent PUT request, as described by the POST then PUT upload method.',
        checks: ['push.single-post'],
      },
      {
        says: 'Successful completion of the request MUST return a `201 Created` and MUST include the following header:',
        checks: ['push.single-post'],
      },
    ],
  },
  {
    title: 'Pushing a blob in chunks',
    sentences: [
      {
        says: 'The process remains unchanged for chunked upload, except that the post request MUST include the following header:',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'When pushing a blob with a digest algorithm other than `sha256`, the post request SHOULD include the `digest-algorithm` parameter:',
        checks: ['push.digest-algorithm'],
      },
      {
        says: 'If the registry has a minimum chunk size, the `POST` response SHOULD include the following header, where `<size>` is the size in bytes (see the blob `PATCH` definition for usage):',
        checks: ['push.chunk-min-length'],
      },
      {
        says: 'The `<range>` refers to the byte range of the chunk, and MUST be inclusive on both ends.',
        checks: ['push.chunk-range'],
      },
      { says: "The first chunk's range MUST begin with `0`.", checks: ['push.chunk-first'] },
      { says: 'It MUST match the following regular expression:', checks: ['push.chunk-range-grammar'] },
      {
        says: 'If the registry provides an `OCI-Chunk-Min-Length` header in the `POST` response, the size of each chunk, except for the final chunk, SHOULD be greater or equal to that value.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The response for each successful chunk upload MUST be `202 Accepted`, and MUST have the following headers:',
        checks: [
          'push.chunk-accepted',
          'push.chunk-location',
          'push.chunk-range',
          'push.streamed',
          'push.streamed-chunked',
        ],
      },
      {
        says: 'Each consecutive chunk upload SHOULD use the `<blob-push-location>` provided in the response to the previous chunk upload.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: "Chunks MUST be uploaded in order, with the first byte of a chunk being the last chunk's `<end-of-range>` plus one.",
        checks: ['push.chunk-order'],
      },
      {
        says: 'If a chunk is uploaded out of order, the registry MUST respond with a `416 Requested Range Not Satisfiable` code.',
        checks: ['push.chunk-order'],
      },
      {
        says: 'Regardless of how the final chunk is uploaded, the session MUST be closed with a `PUT` request.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The closing `PUT` request MUST include the `<digest>` of the whole blob (not the final chunk) as a query parameter.',
        checks: ['push.closing-digest', 'push.digest-mismatch-chunks'],
      },
      {
        says: 'The response to a successful closing of the session MUST be `201 Created`, and MUST contain the following header:',
        checks: ['push.closing-chunk', 'push.closing-location'],
      },
      {
        says: 'If the final chunk is uploaded out of order, the registry MUST respond with a `416 Requested Range Not Satisfiable` code.',
        checks: ['push.closing-order'],
      },
      {
        says: 'The response to an active upload `<blob-push-location>` MUST be a `204 No Content` response code, and MUST have the following headers:',
        checks: ['push.state', 'push.state-location', 'push.state-range'],
      },
      {
        says: 'The following chunk upload SHOULD use the `<blob-push-location>` provided in the response.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Cancel a blob upload',
    sentences: [
      { says: 'If successful, the response SHOULD be a `204 No Content` response code.', checks: ['push.cancel'] },
      {
        says: 'Clients SHOULD send this request when aborting a blob upload, releasing server resources.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'Clients SHOULD ignore any failures.', unchecked: FOR_CLIENTS },
      {
        says: 'If this request fails or is not called, the server SHOULD eventually timeout unfinished uploads.',
        unchecked: 'takes as long as a registry lets unfinished uploads be; push.test.ts has what becomes of them here',
      },
    ],
  },
  {
    title: 'Mounting a blob from another repository',
    sentences: [
      {
        says: 'The response to a successful mount MUST be `201 Created`, and MUST contain the following header:',
        checks: ['push.mount', 'push.mount-location'],
      },
      {
        says: 'Most clients MAY ignore the value but if it is used, the client SHOULD verify the value against the uploaded blob data.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'Alternatively, if a registry does not support cross-repository mounting or is unable to mount the requested blob, it SHOULD return a `202`.',
        checks: ['push.mount-unknown', 'push.mount-anywhere'],
      },
    ],
  },
  {
    title: 'Pushing Manifests',
    sentences: [
      {
        says: 'Clients SHOULD set the `Content-Type` header to the type of the manifest being pushed.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The client SHOULD NOT include parameters on the `Content-Type` header (see RFC 7231 (section 3.1.1.1)).',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The registry SHOULD ignore parameters on the `Content-Type` header.',
        checks: ['push.manifest-type-parameters'],
      },
      {
        says: 'All manifests SHOULD include a `mediaType` field declaring the type of the manifest being pushed.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'If a manifest includes a `mediaType` field, clients MUST set the `Content-Type` header to the value specified by the `mediaType` field.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: '`<name>` is the namespace of the repository, and the `<tag-or-digest>` MUST be either a) a digest or b) a tag.',
        checks: ['push.digest-unsupported-manifest'],
      },
      {
        says: 'The uploaded manifest MUST reference any blobs that make up the object.',
        checks: ['push.manifest-blob-unknown'],
      },
      {
        says: 'The registry MUST store the manifest in the exact byte representation provided by the client.',
        checks: ['push.manifest-bytes'],
      },
      {
        says: 'Upon a successful upload, the registry MUST return response code `201 Created`, and MUST have the following header:',
        checks: ['push.manifest-created', 'push.manifest-location', 'push.manifest-without-layers'],
      },
      {
        says: 'The Docker-Content-Digest header returns the digest of the uploaded blob, and MUST be equal to the client provided digest.',
        checks: ['push.manifest-digest', 'push.digest-mismatch-manifest'],
      },
      {
        says: 'Clients MAY ignore the value but if it is used, the client SHOULD verify the value against the uploaded blob data.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'SHOULD support pushing at least 10 tags per request.', checks: ['push.tags-with-digest'] },
      {
        says: 'MUST include an `OCI-Tag` response header, in accordance with RFC 9110 (section 5) semantics, for each accepted tag.',
        checks: ['push.tags-header'],
      },
      {
        says: 'An attempt to pull a nonexistent repository MUST return response code `404 Not Found`.',
        checks: ['pull.repository-unknown', 'pull.repository-unknown-blob', 'discovery.tags-repository-unknown'],
      },
      {
        says: 'A registry SHOULD enforce some limit on the maximum manifest size that it can accept.',
        checks: ['push.manifest-too-large'],
      },
      {
        says: 'A registry that enforces this limit SHOULD respond to a request to push a manifest over this limit with a response code `413 Payload Too Large`.',
        checks: ['push.manifest-too-large'],
      },
      {
        says: 'Client and registry implementations SHOULD expect to be able to support manifest pushes of at least 4 megabytes.',
        checks: ['push.manifest-large'],
      },
    ],
  },
  {
    title: 'Pushing Manifests with Subject',
    sentences: [
      {
        says: "When processing a request for an image manifest with the `subject` field, a registry implementation that supports the referrers API MUST respond with the response header `OCI-Subject: <subject digest>` to indicate to the client that the registry processed the request's `subject`.",
        checks: ['push.subject'],
      },
      {
        says: 'When pushing a manifest with the `subject` field and the `OCI-Subject` header was not set, the client MUST:',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'If that pull returns a manifest other than the expected image index, the client SHOULD report a failure and skip the remaining steps.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'If the tag returns a 404, the client MUST begin with an empty image index.', unchecked: FOR_CLIENTS },
      {
        says: 'Verify the descriptor for the manifest is not already in the referrers list (duplicate entries SHOULD NOT be created).',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The value of the `artifactType` MUST be set to the `artifactType` value in the pushed manifest, if present.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'If the `artifactType` is empty or missing in a pushed image manifest, the value of `artifactType` MUST be set to the config descriptor `mediaType` value.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'All annotations from the pushed manifest MUST be copied to this descriptor.', unchecked: FOR_CLIENTS },
    ],
  },
  {
    title: 'Listing Tags',
    sentences: [
      {
        says: 'Assuming a repository is found, this request MUST return a `200 OK` response code.',
        checks: ['discovery.tags'],
      },
      {
        says: 'If the list is not empty, the tags MUST be in lexical (i.e. case-insensitive alphanumeric order) or "ASCIIbetical" (Go\'s `sort.Strings`) order.',
        checks: ['discovery.tags-order'],
      },
      {
        says: 'Upon success, the response MUST be a json body in the following format:',
        checks: ['discovery.tags-json'],
      },
      { says: 'Otherwise, the response MUST include `<int>` results.', checks: ['discovery.tags-n'] },
      {
        says: 'If included, the `Link` header MUST be set according to RFC 5988 with the Relation Type `rel="next"`.',
        checks: ['discovery.tags-link'],
      },
      {
        says: 'When `n` is zero, this endpoint MUST return an empty list, and MUST NOT include a `Link` header.',
        checks: ['discovery.tags-none', 'discovery.tags-none-link'],
      },
      { says: 'As above, the tags MUST be in lexical or "ASCIIbetical" order.', checks: ['discovery.tags-last'] },
      {
        says: '`<tagname>` MUST NOT be a numerical index, but rather it MUST be a proper tag.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'The tags MUST be in lexical or "ASCIIbetical" order.', checks: ['discovery.tags-last-alone'] },
    ],
  },
  {
    title: 'Listing Referrers',
    sentences: [
      {
        says: 'Assuming a repository is found, this request MUST return a `200 OK` response code.',
        checks: ['discovery.referrers'],
      },
      {
        says: 'If the registry supports the referrers API, the registry MUST NOT return a `404 Not Found` to a referrers API requests.',
        checks: ['discovery.referrers-none'],
      },
      {
        says: 'If the request is invalid, such as a `<digest>` with an invalid syntax, a `400 Bad Request` MUST be returned.',
        checks: ['discovery.referrers-digest'],
      },
      {
        says: 'Upon success, the response MUST be a JSON body with an image index containing a list of descriptors.',
        checks: ['discovery.referrers-json'],
      },
      {
        says: 'The `Content-Type` header MUST be set to `application/vnd.oci.image.index.v1+json`.',
        checks: ['discovery.referrers-type'],
      },
      {
        says: 'The descriptors MUST include an `artifactType` field that is set to the value of the `artifactType` in the image manifest or index, if present.',
        checks: ['discovery.referrers-artifact-type', 'discovery.referrers-typed-index'],
      },
      {
        says: 'If the `artifactType` is empty or missing in the image manifest, the value of `artifactType` MUST be set to the config descriptor `mediaType` value.',
        checks: ['discovery.referrers-config-type', 'discovery.referrers-empty-type'],
      },
      {
        says: 'If the `artifactType` is empty or missing in an index, the `artifactType` MUST be omitted.',
        checks: ['discovery.referrers-index-type'],
      },
      {
        says: 'The descriptors MUST include annotations from the image manifest or index.',
        checks: ['discovery.referrers-annotations'],
      },
      {
        says: 'If a query results in no matching referrers, an empty manifest list MUST be returned.',
        checks: ['discovery.referrers-none'],
      },
      {
        says: 'A `Link` header MUST be included in the response when the descriptor list cannot be returned in a single manifest.',
        checks: ['discovery.referrers-pages'],
      },
      {
        says: 'The `Link` header MUST be set according to RFC 5988 with the Relation Type `rel="next"`.',
        checks: ['discovery.referrers-pages', 'discovery.referrers-filter-pages'],
      },
      { says: 'The registry SHOULD support filtering on `artifactType`.', checks: ['discovery.referrers-filter'] },
      {
        says: 'If filtering is requested and applied, the response MUST include a header `OCI-Filters-Applied: artifactType` denoting that an `artifactType` filter was applied.',
        checks: [
          'discovery.referrers-filters-applied',
          'discovery.referrers-filter-pages',
          'discovery.referrers-filters-unasked',
        ],
      },
      {
        says: 'If multiple filters are applied, the header MUST contain a comma separated list of applied filters.',
        unchecked: 'there is one filter, so there is nothing to be listed',
      },
      {
        says: 'If the referrers API returns a 404, the client MUST fallback to pulling the referrers tag schema.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'The response SHOULD be an image index with the same content that would be expected from the referrers API.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'If the response to the referrers API is a 404, and the tag schema does not return a valid image index, the client SHOULD assume there are no referrers to the manifest.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Deleting tags',
    sentences: [
      {
        says: 'Upon success, the registry MUST respond with a `202 Accepted` code.',
        checks: ['management.tag', 'management.tag-gone'],
      },
      {
        says: 'If tag deletion is disabled, the registry MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`.',
        checks: ['management.tag'],
      },
    ],
  },
  {
    title: 'Deleting Manifests',
    sentences: [
      {
        says: 'Upon success, the registry MUST respond with a `202 Accepted` code.',
        checks: ['management.manifest', 'management.manifest-gone'],
      },
      {
        says: 'If the repository does not exist, the response MUST return `404 Not Found`.',
        checks: ['management.repository-unknown'],
      },
      {
        says: 'If manifest deletion is disabled, the registry MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`.',
        checks: ['management.manifest'],
      },
      {
        says: 'When deleting an image manifest that contains a `subject` field, and the referrers API returns a 404, clients SHOULD:',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Deleting Blobs',
    sentences: [
      {
        says: 'Upon success, the registry MUST respond with code `202 Accepted`.',
        checks: ['management.blob', 'management.blob-gone'],
      },
      {
        says: 'If the blob is not found, a `404 Not Found` code MUST be returned.',
        checks: ['management.blob-unknown'],
      },
      {
        says: 'If blob deletion is disabled, the registry MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`.',
        checks: ['management.blob'],
      },
    ],
  },
  {
    title: 'Registry Proxying',
    sentences: [
      {
        says: 'The host in the repository name SHOULD be the first component of the full repository name used by a client.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'This host component in a repository name SHOULD be the registry host a client considers the primary source for a repository, however, a client MAY be configured to use a different host.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'A registry that uses the `ns` query parameter to scope the request SHOULD return the `ns` query parameter value in the `OCI-Namespace` header.',
        checks: ['proxying.namespace-header', 'proxying.ns-optional'],
      },
      {
        says: 'A client SHOULD be aware of whether a registry host is a proxy, such as when the `ns` query parameter differs from the `Host` header.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'A client SHOULD avoid sending `ns` query parameters to non-proxy registries.', unchecked: FOR_CLIENTS },
      {
        says: 'Authorization credentials for an upstream registry SHOULD NOT be sent to a proxy registry unless explicitly configured or instructed to do so by the credential owner.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Backwards Compatibility',
    sentences: [
      {
        says: 'Client implementations MUST support registries that implement partial or older versions of the OCI Distribution Spec.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'This section describes client fallback procedures that MUST be implemented when a new/optional API is not available from a registry.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Unavailable Referrers API',
    sentences: [
      {
        says: 'A client that pushes an image manifest with a defined `subject` field MUST verify the referrers API is available or fallback to updating the image index pushed to a tag described by the referrers tag schema.',
        unchecked: FOR_CLIENTS,
      },
      {
        says: 'A client querying the referrers API and receiving a `404 Not Found` MUST fallback to using an image index pushed to a tag described by the referrers tag schema.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Referrers Tag Schema',
    sentences: [
      {
        says: 'The Referrers Tag associated with a Content Digest  MUST match the Truncated Algorithm, a `-` character, and the Truncated Encoded section, with any characters not allowed by `<tag-or-digest>` tags replaced with `-`.',
        checks: ['discovery.referrers-tag-schema'],
      },
      {
        says: "The Truncated Algorithm associated with a Content Digest MUST match the digest's `algorithm` section truncated to 32 characters.",
        unchecked: FOR_CLIENTS,
      },
      {
        says: "The Truncated Encoded section associated with a Content Digest MUST match the digest's `encoded` section truncated to 64 characters.",
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Enabling the Referrers API',
    sentences: [
      {
        says: 'Registries MUST include preexisting image manifests that are listed in an image index tagged with the referrers tag schema and have a valid `subject` field in the referrers API response.',
        checks: ['discovery.referrers-tag-schema'],
      },
      {
        says: 'After the referrers API is enabled, Registries MUST include all newly pushed image manifests with a valid `subject` field in the referrers API response.',
        checks: ['discovery.referrers', 'discovery.referrers-before-subject'],
      },
    ],
  },
  {
    title: 'API',
    sentences: [
      {
        says: 'Where this specification does not define specific behavior, implementations SHOULD follow the HTTP semantics defined in RFC 9110.',
        checks: ['pull.range-suffix', 'pull.range-beyond'],
      },
      {
        says: 'Registries MAY respond to any request with a redirect per RFC 9110 (section 15.4); clients SHOULD follow such redirects, and MUST NOT forward `Authorization` headers across host boundaries unless explicitly configured to do so.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
  {
    title: 'Error Codes',
    sentences: [
      {
        says: 'A `4XX` response code from the registry MAY return a body in any format. If the response body is in JSON format, it MUST have the following format',
        checks: ['api.error-format'],
      },
      {
        says: 'The `code` field MUST be a unique identifier, containing only uppercase alphabetic characters and underscores.',
        checks: ['api.error-codes'],
      },
      {
        says: 'The `message` field is OPTIONAL, and if present, it SHOULD be a human readable string or MAY be empty.',
        checks: ['api.error-messages'],
      },
      { says: 'The `code` field MUST be one of the following:', checks: ['api.error-codes'] },
      {
        says: 'A `429 Too Many Requests` response (RFC 6585 (section 4)) SHOULD include a `Retry-After` header per RFC 9110 (section 10.2.3).',
        checks: ['api.retry-after'],
      },
    ],
  },
  {
    title: 'Warnings',
    sentences: [
      {
        says: 'If included, `Warning` headers MUST specify a `warn-code` of `299` and a `warn-agent` of `-`, and MUST NOT specify a `warn-date` value.',
        checks: ['api.warnings'],
      },
      {
        says: 'A registry MUST NOT send more than 4096 bytes of warning data from all headers combined.',
        checks: ['api.warnings'],
      },
      {
        says: 'If a client receives `Warning` response headers, it SHOULD report the warnings to the user in an unobtrusive way.',
        unchecked: FOR_CLIENTS,
      },
      { says: 'Clients SHOULD deduplicate warnings from multiple associated responses.', unchecked: FOR_CLIENTS },
      {
        says: 'In accordance with RFC 7234, clients MUST NOT take any automated action based on the presence or contents of warnings, only report them to the user.',
        unchecked: FOR_CLIENTS,
      },
    ],
  },
];
