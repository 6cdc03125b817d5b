import { expect, test } from '@jest/globals';
import { readWarmText } from './warm-text.js';

test.each([
  ['library/nginx:1.27', ['library/nginx:1.27']],
  ['a:1\n  b@sha256:00 \r\n\n c', ['a:1', 'b@sha256:00', 'c']],
  ['localhost:5000/a:1, b:2', ['localhost:5000/a:1', 'b:2']],
])('%j is a list', (text, references) => {
  expect(readWarmText(text)).toEqual({ references });
});

test.each([
  'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - image: nginx',
  '---\nimage: nginx',
  '{"kind": "Pod"}',
  '- image: nginx',
  'containers:\n- image: nginx:1',
])('%j is a manifest', (text) => {
  expect(readWarmText(text)).toEqual({ kubernetes_manifest: text });
});
