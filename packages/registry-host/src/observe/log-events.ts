import type { ProxyCache } from '@breakwater/proxy-cache';
import type { LogFields, Logger } from '@breakwater/registry-core';

/** Writes one log line for each event that an operator wants to find again. Plain hits are not among them. */
export function logEvents(proxyCache: ProxyCache, logger: Logger): void {
  const { events } = proxyCache;
  events.on('shielded-pull', (event) => logger.info(fields(event), 'a pull was shielded from its upstream'));
  events.on('masked-error', (event) => logger.warn(fields(event), 'a check failed and no client saw it'));
  events.on('passed-error', (event) => {
    // Names that nobody has are asked for all day.
    const level = event.failureClass === 'removed' ? 'info' : 'warn';
    logger[level](fields(event), 'a failure of the upstream was passed on');
  });
  events.on('upstream-down', (event) => logger.warn(fields(event), 'an upstream is down'));
  events.on('upstream-recovered', (event) => logger.info(fields(event), 'an upstream is back'));
  events.on('rate-limited', (event) => logger.warn(fields(event), 'an upstream forbids to ask it for a while'));
  events.on('credentials-rejected', (event) =>
    logger.error(fields(event), 'an upstream rejects the credentials of an organization'),
  );
  events.on('rate-limit-low', (event) => logger.warn(fields(event), 'a rate limit of an upstream is nearly spent'));
  events.on('prefetch-limited', (event) =>
    logger.warn(fields(event), 'the rest of an image is larger than prefetch_max_bytes and is not fetched'),
  );
  events.on('prefetch-failed', (event) =>
    logger.warn(fields(event), 'content of an image was tried in vain in the background'),
  );
  events.on('integrity-failure', (event) =>
    logger.error(fields(event), 'an upstream sent content that is not what it should be'),
  );
  events.on('not-stored', (event) => {
    if (event.failureClass === 'quota')
      logger.info(fields(event), 'a quota has no room: what a client got is not kept');
    else logger.warn(fields(event), 'what a client got could not be kept');
  });
  events.on('download-shed', (event) => logger.warn(fields(event), 'too many downloads: one was refused to a client'));
  events.on('head-get-mismatch', (event) =>
    logger.warn(fields(event), 'HEAD and GET of an upstream disagree about a tag'),
  );
  events.on('upstream-request', (event) => logger.debug(fields(event), 'asking an upstream'));
}

/** The facts of an event under the names that log lines have: snake case, durations in seconds. */
function fields(event: object): LogFields {
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) {
    const isDuration = name.endsWith('Ms') && typeof value === 'number';
    const text = isDuration ? `${name.slice(0, -'Ms'.length)}S` : name;
    const snake = text.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    named[snake] = isDuration ? value / 1000 : value;
  }
  return named;
}
