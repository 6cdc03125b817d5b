/** What `Authorization: Basic` carries (RFC 7617). */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

const BASIC = /^basic +([a-z0-9+/]+={0,2}) *$/i;

/**
 * Reads an `Authorization` value. `undefined` when there is none, or one with neither name nor password, which
 * containers/image sends for nobody in particular; 'unreadable' for another scheme and for what is not Basic.
 */
export function parseBasicCredentials(authorization: string | undefined): BasicCredentials | 'unreadable' | undefined {
  if (authorization === undefined || authorization.trim() === '') return undefined;
  const encoded = BASIC.exec(authorization)?.[1];
  if (encoded === undefined) return 'unreadable';
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return 'unreadable';
  const credentials = { username: text.slice(0, colon), password: text.slice(colon + 1) };
  return credentials.username === '' && credentials.password === '' ? undefined : credentials;
}
