import { Counter, Gauge, type Registry } from 'prom-client';
import type { ConnectionFacts } from '../app/connection-limits.js';
import type { SlowClientFacts } from '../app/slow-clients.js';

/** Adds what clients' connections are like to the metrics. */
export function addConnectionMetrics(
  registry: Registry,
  facts: () => ConnectionFacts,
  slow: () => SlowClientFacts,
): void {
  new Gauge({
    name: 'breakwater_connections',
    help: 'Connections of clients that are open.',
    registers: [registry],
    collect() {
      this.set(facts().open);
    },
  });
  new Counter({
    name: 'breakwater_connections_refused_total',
    help: 'Connections that were closed at once because of a limit: of one client, or of all.',
    labelNames: ['limit'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [limit, refused] of Object.entries(facts().refused)) this.inc({ limit }, refused);
    },
  });
  new Counter({
    name: 'breakwater_slow_clients_cut_total',
    help: 'Connections that were cut because the client did not go on: sending a body, or taking an answer.',
    labelNames: ['at'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [at, cut] of Object.entries(slow())) this.inc({ at }, cut);
    },
  });
}
