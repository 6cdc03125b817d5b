/** Which part of which whole an answer is, in bytes. The start is absent from that of a 416, the size where nobody knows it. */
export interface ContentRange {
  readonly start: number | undefined;
  readonly size: number | undefined;
}

/** Reads `Content-Range` in bytes (RFC 9110, 14.4); `undefined` when it is none, or none that can be. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes (?:([0-9]{1,15})-([0-9]{1,15})|\*)\/([0-9]{1,15}|\*)$/i.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, start, end, size] = match.map((part) => (part === undefined || part === '*' ? undefined : Number(part)));
  // A range that is invalid is not to be used (RFC 9110, 14.4).
  if (start !== undefined && end !== undefined && (start > end || end >= (size ?? Infinity))) return undefined;
  return { start, size };
}
