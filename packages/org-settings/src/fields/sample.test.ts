import { expect, test } from '@jest/globals';
import { parseSample } from './sample.js';

test.each([[{}], [null], ['text'], [{ sample: null }], [{ sample: '' }]])('%j asks for no image', (body) => {
  expect(parseSample(body)).toEqual({ ok: true, value: undefined });
});

test('repository and tag', () => {
  expect(parseSample({ sample: 'library/alpine:3.20' })).toEqual({
    ok: true,
    value: { repository: 'library/alpine', tag: '3.20' },
  });
});

test.each([7, 'library/alpine', ':latest', 'Not A Name:1', `a:${'x'.repeat(600)}`, ['a:1']])(
  '%j is refused',
  (sample) => {
    expect(parseSample({ sample })).toEqual({
      ok: false,
      problems: [
        { field: 'sample', message: 'must be repository:tag, for example library/alpine:latest, or be left out' },
      ],
    });
  },
);
