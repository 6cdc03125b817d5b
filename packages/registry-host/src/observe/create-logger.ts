import type { Logger } from '@breakwater/registry-core';
import { isRegistryError } from '@breakwater/registry-core';
import { destination, type LoggerOptions, pino } from 'pino';

/**
 * A logger that writes one JSON object a line. Errors are cut down to what holds no secret.
 *
 * @param to the file descriptor: 1 is standard output, 2 standard error
 */
export function createLogger(level: 'debug' | 'info' | 'warn' | 'error', to: 1 | 2 = 1): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
    redact: {
      paths: ['authorization', '*.authorization', 'password', '*.password', 'headers', '*.headers'],
      censor: '[redacted]',
    },
  };
  return to === 1 ? pino(options) : pino(options, destination(to));
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
