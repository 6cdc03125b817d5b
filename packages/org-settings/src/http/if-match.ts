import type { VersionCheck } from '../settings-editor.js';

/** A strong entity tag, of the version of the settings. */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/** Reads an `If-Match` (RFC 9110, 13.1.1: strong comparison, so a weak tag never matches). */
export function parseIfMatch(header: string | undefined): VersionCheck {
  if (header === undefined || header.trim() === '*') return undefined;
  const tags = new Set(header.split(',').map((tag) => tag.trim()));
  return (version) => tags.has(entityTag(version));
}
