import type { Clock, ProxyCacheSettings } from '@breakwater/registry-core';
import type { UpstreamHealth } from './upstream-health.js';

/** Whether an upstream may be asked for what no client waits for: it is up, and its rate limit is not nearly spent. */
export async function mayAskBehindClients(
  health: UpstreamHealth,
  clock: Clock,
  settings: ProxyCacheSettings,
): Promise<boolean> {
  const { down, rateLimitLow, retryAfterUntil = 0 } = await health.facts(health.scopeOf(settings));
  return down === undefined && rateLimitLow !== true && retryAfterUntil <= clock.now();
}
