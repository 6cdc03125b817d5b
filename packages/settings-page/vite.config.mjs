import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** The page that org-settings serves, below the path that it serves it under. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/settings-page/',
  plugins: [react()],
  clearScreen: false,
  build: {
    outDir: 'bundle',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy allows files of the page only: nothing is put into it as data.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: 'manifest.json',
  },
});
