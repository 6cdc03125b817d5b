import { useSyncExternalStore } from 'react';

const MOVED = 'breakwater:moved';
const QUESTION = 'Your changes have not been saved. Leave them?';

/** The path of the page and what follows it; moves with `goTo` and with the browser's own buttons. */
export function useLocation(): { readonly path: string; readonly search: string } {
  const [path = '/', search] = useSyncExternalStore(subscribe, address).split(/(\?.*)/s);
  return { path, search: search ?? '' };
}

/** Shows another address of this page without loading it anew; what is not saved is asked about first. */
export function goTo(next: string): void {
  if (!mayLeave()) return;
  window.history.pushState(undefined, '', next);
  window.dispatchEvent(new Event(MOVED));
}

function subscribe(moved: () => void): () => void {
  let here = address();
  const follow = () => {
    here = address();
    moved();
  };
  const goneBack = () => {
    if (mayLeave()) follow();
    // The browser has moved already: that is taken back.
    else window.history.pushState(undefined, '', here);
  };
  window.addEventListener('popstate', goneBack);
  window.addEventListener(MOVED, follow);
  return () => {
    window.removeEventListener('popstate', goneBack);
    window.removeEventListener(MOVED, follow);
  };
}

function address(): string {
  return `${window.location.pathname}${window.location.search}`;
}

/** Asks as the browser does when a page is left: whoever has something unsaved objects. */
export function mayLeave(): boolean {
  return window.dispatchEvent(new Event('beforeunload', { cancelable: true })) || window.confirm(QUESTION);
}
