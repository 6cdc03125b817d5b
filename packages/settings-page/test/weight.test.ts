import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';

// What a browser loads before it can show the page, of the files that the build has made.

const BUNDLE = fileURLToPath(new URL('../bundle/', import.meta.url));

/** A chunk as Vite's manifest tells it. */
interface Chunk {
  readonly file: string;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
  readonly css?: readonly string[];
}

const manifest: Readonly<Record<string, Chunk>> = JSON.parse(readFileSync(join(BUNDLE, 'manifest.json'), 'utf8'));

/** A chunk and all that it cannot run without. */
function needed(name: string, found = new Set<string>()): ReadonlySet<string> {
  const chunk = manifest[name];
  if (chunk === undefined || found.has(chunk.file)) return found;
  for (const file of [chunk.file, ...(chunk.css ?? [])]) found.add(file);
  for (const each of chunk.imports ?? []) needed(each, found);
  return found;
}

function compressed(file: string): number {
  const bytes = readFileSync(join(BUNDLE, file));
  return file.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length;
}

test('the first load is below 500 KiB, with the fonts of its texts and headings', () => {
  const fonts = Object.values(manifest).flatMap(({ file }) =>
    /RedHat(?:Text|Display)VF-(?!Italic)/.test(file) ? [file] : [],
  );
  expect(fonts).toHaveLength(2);
  const files = ['index.html', ...needed('index.html'), ...fonts];
  const total = files.reduce((sum, file) => sum + compressed(file), 0);
  expect(total).toBeGreaterThan(100 * 1024);
  expect(total).toBeLessThan(500 * 1024);
});

test('charts are loaded when they are shown', () => {
  const first = needed('index.html');
  const later = manifest['index.html']?.dynamicImports ?? [];
  for (const part of ['timeline-chart', 'timeline-table']) {
    const name = later.find((each) => each.includes(part)) ?? '';
    expect(manifest[name]?.file).toContain(part);
    expect(first.has(manifest[name]?.file ?? '')).toBe(false);
  }
});

test('nothing in the page is inline, or from elsewhere', () => {
  const html = readFileSync(join(BUNDLE, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
  expect([...html.matchAll(/<script\b[^>]*>([\s\S]*?)<\/script>/g)].map(([, body]) => body?.trim())).toEqual(['']);
  expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address?.split('/')[1])).toEqual(
    expect.arrayContaining(['settings-page']),
  );
  expect(html).not.toMatch(/https?:\/\//);
});
