import type { IncomingMessage } from 'node:http';
import type { OrganizationName, Principal } from '@breakwater/registry-core';
import type { z } from 'zod';

/** A request to an operation, as far as it has been understood. */
export interface ApiCall {
  readonly request: IncomingMessage;
  /** Segments of the path by the names that the operation gives them, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON that was sent; `undefined` for operations without a body. */
  readonly body: unknown;
}

/** A request of somebody who is signed in. */
export interface SignedInCall extends ApiCall {
  readonly principal: Principal;
}

/** A request about an organization that exists, of somebody with the right that the operation asks for. */
export interface OrganizationCall extends SignedInCall {
  readonly organization: OrganizationName;
}

/** An answer of the management API. Without a body it is 204's. */
export interface ApiAnswer {
  readonly status: number;
  readonly body?: unknown;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the documentation says of an answer. */
export interface AnswerFacts {
  readonly description: string;
  readonly body?: z.ZodType;
}

interface OperationFacts {
  /** Quay's nickname where Quay has the operation. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/api/v1/…` with `{name}` for what differs; an organization is `{orgname}`. */
  readonly path: string;
  /** One sentence. */
  readonly summary: string;
  readonly query?: z.ZodObject;
  /** Request headers that mean something here, and what. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Schema of the body; without one no body is read. */
  readonly body?: z.ZodType;
  /** Whether the body may be left out altogether. */
  readonly bodyOptional?: true;
  /** Answers that are not refusals, by status. */
  readonly answers: Readonly<Record<number, AnswerFacts>>;
}

/** One operation of the management API: the one place that says who may, what may be sent, and what comes back. */
export type ApiOperation = OperationFacts &
  (
    | { readonly right: 'public'; handle(call: ApiCall): Promise<ApiAnswer> }
    | { readonly right: 'signed-in' | 'administer'; handle(call: SignedInCall): Promise<ApiAnswer> }
    | { readonly right: 'read-settings' | 'write-settings'; handle(call: OrganizationCall): Promise<ApiAnswer> }
  );
