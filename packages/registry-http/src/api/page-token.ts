import { invalidRequest } from './api-error.js';

/** What a `next_page` carries: where the next page begins. */
export function pageToken(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * Reads a `next_page` with so many parts; `undefined` for the first page.
 * @throws ApiError INVALID for one that no answer had
 */
export function readPageToken(token: string | undefined, parts: number): readonly string[] | undefined {
  if (token === undefined) return undefined;
  const position = token.length > 2_048 ? undefined : parsed(token);
  if (Array.isArray(position) && position.length === parts && position.every(isText)) return position;
  const message = 'must be the next_page of an answer to the same question; leave it out to begin anew';
  throw invalidRequest([{ field: 'next_page', message }]);
}

function parsed(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Postgres text cannot hold NUL. */
function isText(part: unknown): part is string {
  return typeof part === 'string' && !part.includes('\0');
}
