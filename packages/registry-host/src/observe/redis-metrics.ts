import { Counter, Gauge, type Registry } from 'prom-client';
import type { RedisFacts } from '../redis/redis-commands.js';

/** Adds how Redis is doing to the metrics. Without a Redis they have no values. */
export function addRedisMetrics(registry: Registry, facts: () => RedisFacts | undefined): void {
  new Gauge({
    name: 'breakwater_redis_up',
    help: '1 while Redis is used, 0 while it is gone on without; nothing where none is configured.',
    registers: [registry],
    collect() {
      // A gauge has a 0 from the beginning, which would say that something is wrong.
      this.remove();
      const redis = facts();
      if (redis !== undefined) this.set(redis.isUp ? 1 : 0);
    },
  });
  new Counter({
    name: 'breakwater_redis_commands_failed_total',
    help: 'Commands that Redis did not carry out; ETIMEDOUT = not answered within 200 ms.',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [code, failed] of facts()?.failed ?? []) this.inc({ code }, failed);
    },
  });
  new Counter({
    name: 'breakwater_redis_commands_skipped_total',
    help: 'Commands that were not sent to Redis because they would have failed.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(facts()?.skipped ?? 0);
    },
  });
}
