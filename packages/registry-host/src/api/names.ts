import type { IncomingMessage } from 'node:http';
import { type Principal, parseOrganizationName } from '@breakwater/registry-core';
import { z } from 'zod';

/** What names of users and organizations are made of. */
export const NAME_RULE = 'must be lower-case letters and digits, parted by . _ or -, for example "ci-runner"';

/** Fewest characters of a password. */
export const LEAST_PASSWORD = 8;
const LONGEST_PASSWORD = 1_024;

/** The name of a user: as that of an organization, because they share one name space. */
export const userName = z
  .string()
  .max(255)
  .refine((text) => parseOrganizationName(text) !== undefined, NAME_RULE)
  .meta({ description: 'lower-case letters and digits, parted by . _ or -' });

/** A password to be set. */
export const newPassword = z.string().min(LEAST_PASSWORD).max(LONGEST_PASSWORD);

/** A page of a list. */
export const pageQuery = z.strictObject({
  next_page: z.string().optional().meta({ description: 'the next_page of the page before' }),
  limit: z.int().min(1).max(1_000).default(100).meta({ description: 'most entries of a page' }),
});

/** Where a list goes on; absent on its last page. */
export const nextPage = z.string().optional();

/** A time as it stands in answers. */
export function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** Cuts a page of `limit` entries from one more than that. */
export function pageOf<T>(
  entries: readonly T[],
  limit: number,
): { readonly page: readonly T[]; readonly more: boolean } {
  return { page: entries.slice(0, limit), more: entries.length > limit };
}

/** Who does something, and where they come from, for the log. */
export function by(
  principal: Principal,
  request: IncomingMessage,
): { readonly performedBy: string; readonly address: string | undefined } {
  return { performedBy: principal.name, address: request.socket.remoteAddress };
}
