import { createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PassingRequest, Sabotage } from './sabotage.js';

/** A registry that is broken in one way. */
export interface BrokenRegistry extends AsyncDisposable {
  readonly url: string;
  /** Breaks it in this way and no other. */
  breakIt(sabotage: Sabotage): void;
}

/** Stands before a registry that is right, and changes what passes. */
export async function startBrokenRegistry(of: string): Promise<BrokenRegistry> {
  let sabotage: Sabotage = {};
  const server = createServer((request, response) => {
    pass(of, sabotage, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    breakIt(next) {
      sabotage = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function pass(of: string, sabotage: Sabotage, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const passing: PassingRequest = {
    method: request.method ?? '',
    target: request.url ?? '',
    headers: flat(request.headers),
    body: await whole(request),
    chunked: request.headers['transfer-encoding'] !== undefined,
  };
  delete passing.headers['transfer-encoding'];
  if (passing.body.byteLength > 0) passing.headers['content-length'] = String(passing.body.byteLength);
  sabotage.request?.(passing);
  const answered = await send(of, passing);
  const answer = { status: answered.statusCode ?? 0, headers: flat(answered.headers), body: await whole(answered) };
  sabotage.answer?.(answer, passing);
  response.writeHead(answer.status, { ...answer.headers, connection: 'close' });
  response.end(passing.method === 'HEAD' ? undefined : answer.body);
}

function send(of: string, { method, target, headers, body }: PassingRequest): Promise<IncomingMessage> {
  const { hostname, port } = new URL(of);
  return new Promise((resolve, reject) => {
    const sending = sendRequest({ hostname, port, method, path: target, headers, agent: false }, resolve);
    sending.on('error', reject);
    sending.end(body);
  });
}

function flat(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, [value].flat().join(', ')]],
    ),
  );
}

async function whole(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
