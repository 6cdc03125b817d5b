import type { ProxyCache } from '@breakwater/proxy-cache';
import type { Logger } from '@breakwater/registry-core';

/** Writes one log line for each event that an operator wants to find again. Plain hits are not among them. */
export function logEvents(proxyCache: ProxyCache, logger: Logger): void {
  const { events } = proxyCache;
  events.on('shielded-pull', (event) => logger.info({ ...event }, 'a pull was shielded from its upstream'));
  events.on('passed-error', (event) => logger.warn({ ...event }, 'a failure of the upstream was passed on'));
  events.on('upstream-down', (event) => logger.warn({ ...event }, 'an upstream is down'));
  events.on('upstream-recovered', (event) => logger.info({ ...event }, 'an upstream is back'));
  events.on('integrity-failure', (event) =>
    logger.error({ ...event }, 'an upstream sent content that is not what it should be'),
  );
  events.on('head-get-mismatch', (event) =>
    logger.warn({ ...event }, 'HEAD and GET of an upstream disagree about a tag'),
  );
  events.on('upstream-request', (event) => logger.debug({ ...event }, 'asking an upstream'));
}
