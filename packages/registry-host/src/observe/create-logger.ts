import type { Logger } from '@breakwater/registry-core';
import { isRegistryError } from '@breakwater/registry-core';
import { pino } from 'pino';

/** A logger that writes one JSON object a line to standard output. Errors are cut down to what holds no secret. */
export function createLogger(level: 'debug' | 'info' | 'warn' | 'error'): Logger {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
    redact: {
      paths: ['authorization', '*.authorization', 'password', '*.password', 'headers', '*.headers'],
      censor: '[redacted]',
    },
  });
}

/** Name, code, message and causes; the stack only of what nobody expected. */
function describeError(error: unknown, depth = 0): unknown {
  const { name, code, message, cause, stack } = (error ?? {}) as Partial<Error> & { readonly code?: unknown };
  const expected = isRegistryError(error) || typeof code === 'string';
  return {
    name,
    ...(code === undefined ? {} : { code }),
    message,
    ...(cause === undefined || depth > 3 ? {} : { cause: describeError(cause, depth + 1) }),
    ...(expected ? {} : { stack }),
  };
}
