import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { warmKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { WarmProgress } from '../api/shapes.js';

const POLL_MS = 1_000;

/** How far a request to fetch images is, asked for until it is finished. */
export function useWarmProgress(api: SettingsPageApi, organization: string, id: string): UseQueryResult<WarmProgress> {
  return useQuery({
    queryKey: warmKey(organization, id),
    queryFn: () => api.warmProgress(organization, id),
    refetchInterval: ({ state }) => (state.data?.finished === true ? false : POLL_MS),
  });
}
