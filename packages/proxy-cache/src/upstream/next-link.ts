import { UpstreamError } from './upstream-error.js';

const LINK = /<([^<>]*)>((?:\s*;\s*[^=;,\s"]+(?:\s*=\s*(?:"[^"]*"|[^;,\s"]*))?)*)/g;
const RELATION = /;\s*rel\s*=\s*(?:"([^"]*)"|([^;,\s"]*))/i;

/**
 * Where the next page is by a `Link` (RFC 8288); `undefined` when there is none. Only path and query are read, never the
 * host (S4).
 *
 * @throws UpstreamError class `protocol` for a next page that cannot be read: without it, a list would end too early
 */
export function nextLink(header: string | undefined): Pick<URL, 'pathname' | 'searchParams'> | undefined {
  for (const [, target = '', parameters = ''] of (header ?? '').matchAll(LINK)) {
    const [, quoted, token] = RELATION.exec(parameters) ?? [];
    const relations = (quoted ?? token ?? '').toLowerCase().split(/\s+/);
    if (!relations.includes('next')) continue;
    if (!URL.canParse(target, 'http://localhost')) throw unreadable();
    return new URL(target, 'http://localhost');
  }
  if (/\brel\s*=\s*"?[^";,]{0,64}\bnext\b/i.test(header ?? '')) throw unreadable();
  return undefined;
}

function unreadable(): UpstreamError {
  return new UpstreamError('protocol', 'the upstream links to a next page that cannot be read', { isOfContent: true });
}
