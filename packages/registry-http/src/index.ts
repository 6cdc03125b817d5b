export { admitToContent, unauthorized } from './admit-content.js';
export { answerBlob } from './answer-blob.js';
export { answerEmpty } from './answer-empty.js';
export { answerError } from './answer-error.js';
export { answerManifest, type ExtraHeaders } from './answer-manifest.js';
export {
  type AnsweredReferrers,
  answerReferrers,
  parseReferrersPage,
  type ReferrersPageRequest,
} from './answer-referrers.js';
export { type AnsweredTagPage, answerTags, parseTagPage, type TagPageRequest } from './answer-tags.js';
export {
  type AdmissionParts,
  type Admitted,
  admitAdministrator,
  admitSignedIn,
  admitToOrganization,
} from './api/admission.js';
export { type ApiFailure, answerFailure, type DescribeError } from './api/answer-failure.js';
export {
  API_ERRORS,
  ApiError,
  type ApiErrorCode,
  type FieldProblem,
  invalidRequest,
  isApiError,
} from './api/api-error.js';
export { type ApiFacts, openApiDocument } from './api/openapi.js';
export type { ApiAnswer, ApiCall, ApiOperation, OrganizationCall, SignedInCall } from './api/operation.js';
export { pageToken, readPageToken } from './api/page-token.js';
export { readFields, readQuery } from './api/read-fields.js';
export { type ApiHandler, type BodyParser, type ServeOptions, serveOperations } from './api/serve-operations.js';
export { type ApiErrorFacts, answerJson, apiErrorBody } from './api-answer.js';
export { assertNoBody } from './assert-no-body.js';
export { assertOneHost } from './assert-one-host.js';
export { clientAddress } from './client-address.js';
export { type ByteRange, parseRange } from './range.js';
export { readBody } from './read-body.js';
export { ReadBuffers } from './read-buffers.js';
export { requestId } from './request-id.js';
export { parseRegistryRoute, type RegistryRoute, type RepositoryRoute } from './route.js';
export { RouteMemory } from './route-memory.js';
export { observeServed, type Served, type ServedObserver } from './served.js';
export { parseWayIn, renamed, type WayIn } from './way-in.js';
