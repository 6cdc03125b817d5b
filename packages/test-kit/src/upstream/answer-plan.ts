import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { resetConnection } from './reset-connection.js';

/** How an exchange ends that is not to end well: no more bytes come, a clean end of the connection, or a reset. */
export type BrokenEnd = 'stall' | 'fin' | 'reset';

/** The answer to one request, as data: faults change it before it is sent. */
export interface AnswerPlan {
  readonly status: number;
  readonly reasonPhrase?: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  /** Milliseconds before the first byte. */
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  /** How the body's end is told: by Content-Length, or by the end of the connection. */
  readonly framing?: 'length' | 'close';
  /** What happens after this many bytes of the body. */
  readonly cutBody?: { readonly afterBytes: number; readonly by: BrokenEnd };
  /** What happens in the middle of the headers. */
  readonly cutHeaders?: BrokenEnd;
  /** What happens in place of an answer. */
  readonly noAnswer?: BrokenEnd;
  /** Bytes that go out in place of an HTTP answer; the connection ends after them. */
  readonly raw?: Buffer;
  /** The body repeats until the client hangs up. */
  readonly endless?: boolean;
}

/** Between the last bytes and a reset: a reset that overtakes them would be another fault than the one asked for. */
const RESET_PAUSE_MS = 20;
const DRIP_INTERVAL_MS = 100;

/** Where an answer goes: the response, and the connection below TLS. */
export interface AnswerTarget {
  readonly response: ServerResponse;
  readonly connection: Socket;
}

/** Sends the answer. Nothing is left running when the connection has closed. */
export function sendAnswer(plan: AnswerPlan, target: AnswerTarget): void {
  const { response, connection } = target;
  if (plan.delayMs !== undefined) {
    const { delayMs, ...rest } = plan;
    later(connection, delayMs, () => sendAnswer(rest, target));
    return;
  }
  if (plan.noAnswer !== undefined) {
    breakOff(plan.noAnswer, target);
    return;
  }
  if (plan.raw !== undefined) {
    response.socket?.end(plan.raw);
    return;
  }
  if (plan.cutHeaders !== undefined) {
    response.socket?.write(`HTTP/1.1 ${plan.status} OK\r\nContent-Type: application/oct`);
    breakOff(plan.cutHeaders, target);
    return;
  }
  sendHead(plan, response);
  if (response.req.method === 'HEAD') response.end();
  else if (plan.endless === true) sendEndless(plan.body, response);
  else sendBody(plan, target);
}

function sendHead(plan: AnswerPlan, response: ServerResponse): void {
  const headers = { ...plan.headers };
  if (plan.framing === 'close') {
    response.shouldKeepAlive = false;
    response.useChunkedEncodingByDefault = false;
  } else if (plan.endless !== true && plan.status !== 204 && plan.status !== 304) {
    headers['Content-Length'] ??= plan.body.byteLength;
  }
  if (plan.reasonPhrase === undefined) response.writeHead(plan.status, headers);
  else response.writeHead(plan.status, plan.reasonPhrase, headers);
}

function sendBody(plan: AnswerPlan, target: AnswerTarget): void {
  const { cutBody, bytesPerSecond } = plan;
  const { response } = target;
  const bytes = cutBody === undefined ? plan.body : plan.body.subarray(0, cutBody.afterBytes);
  const finish = () => {
    if (cutBody === undefined) response.end();
    else breakOff(cutBody.by, target);
  };
  if (bytesPerSecond !== undefined) drip(bytes, bytesPerSecond, target, finish);
  else if (cutBody === undefined) response.end(bytes);
  else {
    response.flushHeaders();
    response.write(bytes);
    finish();
  }
}

function breakOff(by: BrokenEnd, { response, connection }: AnswerTarget): void {
  if (by === 'stall') return;
  // The callback of an empty write comes when all that was written before has left.
  response.socket?.write('', () => {
    if (by === 'reset') later(connection, RESET_PAUSE_MS, () => resetConnection(connection));
    else response.socket?.destroySoon();
  });
}

function sendEndless(unit: Buffer, response: ServerResponse): void {
  // Large blocks: it is meant to fill a memory, not to take a time.
  const block = Buffer.alloc(64 * 1024, unit.byteLength > 0 ? unit : ' ');
  const more = () => {
    while (!response.destroyed && response.write(block)) {
      // Fills the socket; goes on when the client has read.
    }
  };
  response.on('drain', more);
  more();
}

function drip(bytes: Buffer, bytesPerSecond: number, target: AnswerTarget, finish: () => void): void {
  const intervalMs = Math.max(DRIP_INTERVAL_MS, 1000 / bytesPerSecond);
  const step = Math.max(1, Math.round((bytesPerSecond * intervalMs) / 1000));
  target.response.flushHeaders();
  const from = (sent: number) => {
    if (sent >= bytes.byteLength) return finish();
    later(target.connection, intervalMs, () => {
      target.response.write(bytes.subarray(sent, sent + step));
      from(sent + step);
    });
  };
  from(0);
}

/** A timer which does not outlive its connection. */
function later(connection: Socket, ms: number, then: () => void): void {
  const cancel = () => clearTimeout(timer);
  const timer = setTimeout(() => {
    connection.removeListener('close', cancel);
    then();
  }, ms);
  connection.once('close', cancel);
}
