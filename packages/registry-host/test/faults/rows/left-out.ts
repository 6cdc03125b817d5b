import type { LeftOut } from '../fault-row.js';

/** The rows of the matrix, F1 to F88, that stand in no table, and why. */
export const leftOut: readonly LeftOut[] = [
  { id: 'F15', why: 'a flapping upstream is flap.slow.test.ts' },
  { id: 'F19', why: 'a peer that vanished in the middle of a transfer looks like F13 from here' },
  { id: 'F60', why: 'a layer with urls is client-faults.test.ts: it needs an image of its own' },
  { id: 'F63', why: 'a torn update takes two images and time between them: completing.slow.test.ts has it' },
  {
    id: 'F66',
    why: 'an upstream that is ourselves needs registries in a circle; loops.test.ts of proxy-cache has them',
  },
  { id: 'F67', why: 'lists are not pulls; listings.test.ts of proxy-cache has them' },
];
