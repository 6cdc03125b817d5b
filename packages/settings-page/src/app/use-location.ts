import { useSyncExternalStore } from 'react';

const MOVED = 'breakwater:moved';

/** The path of the page and what follows it; moves with `goTo` and with the browser's own buttons. */
export function useLocation(): { readonly path: string; readonly search: string } {
  const href = useSyncExternalStore(subscribe, () => `${window.location.pathname}${window.location.search}`);
  const [path = '/', search] = href.split(/(\?.*)/s);
  return { path, search: search ?? '' };
}

/** Shows another address of this page without loading it anew. */
export function goTo(address: string): void {
  window.history.pushState(undefined, '', address);
  window.dispatchEvent(new Event(MOVED));
}

function subscribe(moved: () => void): () => void {
  window.addEventListener('popstate', moved);
  window.addEventListener(MOVED, moved);
  return () => {
    window.removeEventListener('popstate', moved);
    window.removeEventListener(MOVED, moved);
  };
}
