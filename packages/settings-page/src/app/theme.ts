/** How the page looks: as the system says, or as the reader has chosen. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'breakwater-theme';
const DARK = 'pf-v6-theme-dark';

/** What the reader has chosen; storage may be forbidden. */
export function storedTheme(): Theme {
  try {
    const stored = window.localStorage.getItem(KEY);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  } catch {
    return 'system';
  }
}

/** Shows a theme, and keeps it for the next visit. Returns how to stop following the system. */
export function applyTheme(theme: Theme): () => void {
  try {
    window.localStorage.setItem(KEY, theme);
  } catch {
    // It holds for this visit.
  }
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const show = () => {
    document.documentElement.classList.toggle(DARK, theme === 'dark' || (theme === 'system' && system.matches));
  };
  show();
  system.addEventListener('change', show);
  return () => system.removeEventListener('change', show);
}
