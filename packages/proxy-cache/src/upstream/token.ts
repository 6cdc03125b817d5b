/** A bearer token of an upstream. Times are milliseconds since the epoch. */
export interface Token {
  /** The `Authorization` value. */
  readonly header: string;
  readonly renewAt: number;
  readonly expiresAt: number;
  /** Another process fetched it, perhaps long ago. */
  readonly borrowed: boolean;
}

/** However long a token server says, in milliseconds (P17). */
export const MAX_LIFETIME_MS = 60 * 60_000;
const MAX_TOKEN_LENGTH = 32 * 1024;

/** The `Authorization` value of a token; `undefined` for what cannot be one. */
export function bearerHeader(token: unknown): string | undefined {
  if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(token)) return undefined;
  return `Bearer ${token}`;
}
