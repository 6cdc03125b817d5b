/** A request on its way to a registry. */
export interface PassingRequest {
  method: string;
  target: string;
  headers: Record<string, string>;
  body: Buffer;
  /** Whether its body came in chunks, without its length. */
  readonly chunked: boolean;
}

/** An answer on its way back. */
export interface PassingAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** What is broken of a registry: requests or answers are changed in place. */
export interface Sabotage {
  request?(request: PassingRequest): void;
  answer?(answer: PassingAnswer, request: Readonly<PassingRequest>): void;
}

type When = (request: Readonly<PassingRequest>) => boolean;

/** Requests of a method whose path matches. */
export function on(method: string, path: RegExp): When {
  return (request) => request.method === method && path.test(request.target);
}

/** Answers that would be good have another status. */
export function status(when: When, wrong: number, only: (status: number) => boolean = () => true): Sabotage {
  return {
    answer(answer, request) {
      if (when(request) && only(answer.status)) answer.status = wrong;
    },
  };
}

/** Answers lose a header, or have another value of it. */
export function header(when: When, name: string, value?: string | ((was: string) => string)): Sabotage {
  return {
    answer(answer, request) {
      if (!when(request)) return;
      const was = answer.headers[name] ?? '';
      delete answer.headers[name];
      if (value !== undefined) answer.headers[name] = typeof value === 'string' ? value : value(was);
    },
  };
}

/** Answers have another body. */
export function body(when: When, change: (was: Buffer) => Buffer | string): Sabotage {
  return {
    answer(answer, request) {
      if (!when(request)) return;
      answer.body = Buffer.from(change(answer.body));
      if (answer.headers['content-length'] !== undefined)
        answer.headers['content-length'] = String(answer.body.byteLength);
    },
  };
}

/** Answers have another JSON in their body. */
export function json(when: When, change: (was: Record<string, unknown>) => unknown): Sabotage {
  return body(when, (was) => {
    try {
      return JSON.stringify(change(JSON.parse(was.toString('utf8')) as Record<string, unknown>));
    } catch {
      return was;
    }
  });
}

/** Requests ask for something else. */
export function target(when: When, change: (was: string) => string): Sabotage {
  return {
    request(request) {
      if (when(request)) request.target = change(request.target);
    },
  };
}

/** Requests lose a header. */
export function requestHeader(when: When, name: string): Sabotage {
  return {
    request(request) {
      if (when(request)) delete request.headers[name];
    },
  };
}
