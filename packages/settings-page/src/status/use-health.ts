import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { healthKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Health } from '../api/shapes.js';
import { useNow } from '../parts/use-now.js';

/** How often the status is asked for: counts of other processes are there after 5 seconds. Milliseconds. */
const REFRESH_MS = 5_000;

/** How the cache is, asked for again and again, and the registry's time in milliseconds since the epoch. */
export function useHealth(
  api: SettingsPageApi,
  organization: string,
): { readonly health: UseQueryResult<Health>; readonly now: number } {
  const health = useQuery({
    queryKey: healthKey(organization),
    queryFn: () => api.health(organization),
    refetchInterval: REFRESH_MS,
  });
  return { health, now: useNow(health.data?.at, health.dataUpdatedAt) };
}
