import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kubernetesImages } from './kubernetes-images.js';

const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { image: not-a-list } }
spec:
  template:
    spec:
      initContainers:
        - name: init
          image: busybox:1.36
      containers:
        - name: web
          image: &web "quay.io/team/web:v1"   # a comment
        - { name: sidecar, image: quay.io/team/side@sha256:0 }
        - { name: again, image: *web }
---
apiVersion: batch/v1
kind: CronJob
spec: { jobTemplate: { spec: { template: { spec: { containers: [{ image: 'busybox:1.36' }] } } } } }
---
apiVersion: example.com/v1
kind: Custom
spec:
  image: { repository: quay.io/team/custom, tag: v2 }
  imagePullPolicy: Always
  sidecar: { image: ghcr.io/team/custom:v3 }
`;

test('every image field of every document, each once, in their order', () => {
  expect(kubernetesImages(MANIFEST)).toEqual([
    'not-a-list',
    'busybox:1.36',
    'quay.io/team/web:v1',
    'quay.io/team/side@sha256:0',
    'ghcr.io/team/custom:v3',
  ]);
});

test('JSON is YAML, too', () => {
  const list = {
    kind: 'List',
    items: [{ spec: { containers: [{ image: 'a' }, { image: 7 }, { image: null }, { image: ' ' }] } }],
  };
  expect(kubernetesImages(JSON.stringify(list))).toEqual(['a']);
});

test.each(['', '---\n---', 'just a text', '[]', '7'])('%p has none', (text) => {
  expect(kubernetesImages(text)).toEqual([]);
});

test('what is no YAML says where', () => {
  expect(kubernetesImages('kind: Pod\nspec:\n  - a\n b: [')).toEqual({ problem: expect.stringMatching(/line \d+/) });
});

test('a document that grows by its aliases is read in a moment', () => {
  const levels = Array.from(
    { length: 30 },
    (_, n) => `l${n + 1}: &l${n + 1} [${'*l'.concat(String(n), ', ').repeat(9)}]`,
  );
  expect(kubernetesImages(`l0: &l0 [{ image: a }]\n${levels.join('\n')}`)).toEqual(['a']);
});

test('any text has images or is refused', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const images = kubernetesImages(text);
      expect('problem' in images ? typeof images.problem : typeof images.length).toMatch(/string|number/);
    }),
  );
});
