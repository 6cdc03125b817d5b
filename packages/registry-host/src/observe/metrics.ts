import type { Gc } from '@breakwater/gc';
import type { ProxyCache } from '@breakwater/proxy-cache';
import { Counter, Gauge, Registry } from 'prom-client';

/** Turns the packages' events into Prometheus metrics. The registry is this instance's own. */
export function createMetrics(proxyCache: ProxyCache, gc: Gc): Registry {
  const registry = new Registry();
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({ name: `breakwater_${name}`, help, labelNames: [...labelNames], registers: [registry] });

  const pulls = counter('pulls_total', 'Pulls of proxied content that were answered with it.', ['type', 'result']);
  const shielded = counter('shielded_pulls_total', 'Pulls served without the upstream’s confirmation.', ['class']);
  const masked = counter('masked_errors_total', 'Failed checks that no client saw.', ['class']);
  const passed = counter('passed_errors_total', 'Failures of an upstream that a client saw.', ['class']);
  const requests = counter('upstream_requests_total', 'Requests for content sent to upstreams.', ['purpose']);
  const integrity = counter('integrity_failures_total', 'Content of upstreams that did not match its digest.', []);
  const freed = counter('gc_freed_bytes_total', 'Bytes that garbage collection has freed.', []);
  const down = new Gauge({
    name: 'breakwater_upstream_down',
    help: '1 while an upstream is known to be down.',
    labelNames: ['origin'],
    registers: [registry],
  });

  proxyCache.events.on('pull', ({ kind, result }) => pulls.inc({ type: kind, result }));
  proxyCache.events.on('shielded-pull', ({ failureClass }) => shielded.inc({ class: failureClass }));
  proxyCache.events.on('masked-error', ({ failureClass }) => masked.inc({ class: failureClass }));
  proxyCache.events.on('passed-error', ({ failureClass }) => passed.inc({ class: failureClass }));
  proxyCache.events.on('upstream-request', ({ purpose }) => requests.inc({ purpose }));
  proxyCache.events.on('integrity-failure', () => integrity.inc());
  proxyCache.events.on('upstream-down', ({ origin }) => down.set({ origin }, 1));
  proxyCache.events.on('upstream-recovered', ({ origin }) => down.set({ origin }, 0));
  gc.events.on('finished', ({ dryRun, freed: { bytes } }) => {
    if (!dryRun) freed.inc(bytes);
  });
  return registry;
}
