import type { IncomingMessage, ServerResponse } from 'node:http';
import { observeServed, type ServedObserver } from '@breakwater/registry-http';
import type { UseNotes } from './use-notes.js';

/** A handler that Express 4, Express 5 and plain node:http chains mount alike. */
export type GcMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Notes which manifests are served. Blobs are not noted: the lease of a manifest covers everything that it needs.
 *
 * @param notes `undefined` when nobody takes notes; then requests pass untouched
 */
export function servedMiddleware(notes: UseNotes | undefined): GcMiddleware {
  if (notes === undefined) return (_request, _response, next) => next();
  const observer: ServedObserver = (served) =>
    served.kind === 'manifest' ? notes.note(served.repository, served.digest) : undefined;
  return (_request, response, next) => {
    observeServed(response, observer);
    next();
  };
}
