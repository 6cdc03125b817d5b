import { Counter, type Registry } from 'prom-client';

/** Adds how often the time of Postgres has jumped (P19). */
export function addClockMetrics(registry: Registry, jumps: () => number): void {
  new Counter({
    name: 'breakwater_clock_jumps_total',
    help: 'Times that the clock of Postgres was found to have jumped by more than five minutes.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(jumps());
    },
  });
}
