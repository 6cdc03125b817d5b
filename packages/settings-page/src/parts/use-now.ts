import { useEffect, useState } from 'react';

/**
 * The registry's time in milliseconds since the epoch, moving on every second: ages and countdowns are told by its clock,
 * not by that of the browser.
 *
 * @param at the registry's time in ISO 8601, as of `receivedAt` by the browser's clock
 */
export function useNow(at: string | undefined, receivedAt: number): number {
  const [local, setLocal] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setLocal(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const ahead = at === undefined ? 0 : Date.parse(at) - receivedAt;
  return Math.max(local, receivedAt) + ahead;
}
