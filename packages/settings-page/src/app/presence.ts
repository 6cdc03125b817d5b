/** Whether somebody is at the page. */
export interface Presence {
  /** Headers that tell the registry when a request is only the page's own refreshing, which is no use of the session. */
  headers(): Readonly<Record<string, string>>;
}

/** How long after the last sign of life requests are still somebody's, ms: as often as the registry notes uses. */
const PRESENT_FOR_MS = 60_000;
const NOBODY: Readonly<Record<string, string>> = { 'x-background-refresh': '1' };
const SIGNS = ['pointerdown', 'keydown', 'wheel', 'touchstart'];

/**
 * Watches for signs of life, for as long as the page is there. A page that refreshes itself would otherwise keep the session
 * of somebody who has gone home.
 *
 * @param now milliseconds, never going back
 */
export function watchPresence(page: EventTarget, now: () => number): Presence {
  let lastSeen = now();
  for (const sign of SIGNS) {
    page.addEventListener(
      sign,
      () => {
        lastSeen = now();
      },
      { capture: true, passive: true },
    );
  }
  return { headers: () => (now() - lastSeen < PRESENT_FOR_MS ? {} : NOBODY) };
}
