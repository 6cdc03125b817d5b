import type { Socket } from 'node:net';
import { UpstreamError } from './upstream-error.js';

const MAX_ANSWER_BYTES = 16 * 1024;
const END = '\r\n\r\n';

/** An HTTP proxy that opens connections for us (RFC 9110, 9.3.6). Its credentials go to it and nowhere else. */
export class OutboundProxy {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  readonly #authorization: string | undefined;

  /**
   * @param text `http://host:port`, with `user:password@` before the host if the proxy wants to know who asks
   * @throws RangeError that does not repeat the text
   */
  constructor(text: string) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isBare = url !== undefined && url.pathname === '/' && !/[?#]/.test(text);
    if (url?.protocol !== 'http:' || !isBare) throw wrongUrl();
    this.host = url.hostname.replace(/^\[|\]$/g, '');
    this.port = url.port === '' ? 80 : Number(url.port);
    this.#authorization = url.username === '' && url.password === '' ? undefined : basic(url);
  }

  /**
   * Has the proxy connect a socket, on which nothing has been written yet, to a host and port.
   * @throws UpstreamError class `connect` when it does not, `timeout` when it does not answer
   */
  async open(socket: Socket, host: string, port: number, deadline: AbortSignal): Promise<void> {
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const proof = this.#authorization === undefined ? '' : `Proxy-Authorization: ${this.#authorization}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${proof}\r\n`);
    try {
      const head = await readHead(socket, deadline);
      const status = /^HTTP\/1\.[01] ([0-9]{3})(?: |\r\n)/.exec(head)?.[1];
      if (status === undefined) throw failure('the outbound proxy did not speak HTTP');
      if (!status.startsWith('2')) throw failure(`the outbound proxy answered ${status}`);
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw error;
    }
  }
}

/** Reads up to the end of the head. What comes after it is the other side's, and stays to be read. */
function readHead(socket: Socket, deadline: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const settle = (settled: () => void) => {
      socket.removeListener('readable', take);
      socket.removeListener('error', fail);
      socket.removeListener('close', close);
      deadline.removeEventListener('abort', expire);
      settled();
    };
    const take = () => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        read = Buffer.concat([read, chunk]);
        const end = read.indexOf(END);
        if (end !== -1) {
          const rest = read.subarray(end + END.length);
          if (rest.byteLength > 0) socket.unshift(rest);
          return settle(() => resolve(read.subarray(0, end + 2).toString('latin1')));
        }
        if (read.byteLength > MAX_ANSWER_BYTES)
          return settle(() => reject(failure('the outbound proxy says too much')));
      }
    };
    const fail = () => settle(() => reject(failure('the connection to the outbound proxy broke')));
    const close = () => settle(() => reject(failure('the outbound proxy closed the connection')));
    const expire = () =>
      settle(() => reject(new UpstreamError('timeout', 'the outbound proxy did not answer in time')));
    if (deadline.aborted) return expire();
    socket.on('readable', take);
    socket.once('error', fail);
    socket.once('close', close);
    deadline.addEventListener('abort', expire, { once: true });
  });
}

function basic(url: URL): string {
  try {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`;
  } catch {
    throw wrongUrl();
  }
}

function failure(message: string): UpstreamError {
  return new UpstreamError('connect', message);
}

function wrongUrl(): RangeError {
  return new RangeError('the outbound proxy must be http://host:port, or http://user:password@host:port');
}
