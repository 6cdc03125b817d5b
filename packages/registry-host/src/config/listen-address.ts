import { isIP } from 'node:net';

/** Where to listen. */
export interface ListenAddress {
  /** Name or IP address; IPv6 without brackets. */
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):([0-9]{1,5})$/;
const HOST_NAME = /^(?!.*\.\d+$)[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/;

/** Reads `host:port` or `[IPv6]:port`; `undefined` when it is neither. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, literal, name, rawPort] = ADDRESS.exec(text) ?? [];
  const host = literal ?? name;
  const port = Number(rawPort);
  if (host === undefined || port > 65_535) return undefined;
  const valid = literal === undefined ? isIP(host) === 4 || HOST_NAME.test(host) : isIP(host) === 6;
  return valid ? { host, port } : undefined;
}

/** True when nobody on another machine can reach it. */
export function isLoopback({ host }: ListenAddress): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  if (isIP(host) === 6) return new URL(`http://[${host}]/`).hostname === '[::1]';
  return host.toLowerCase() === 'localhost';
}
