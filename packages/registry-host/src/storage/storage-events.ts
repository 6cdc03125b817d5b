import type { Digest } from '@breakwater/registry-core';
import type { Damage, FoundBy } from './ports.js';
import type { ReconcileReport, ScrubReport } from './reports.js';

/** What the stores of content tell, by event name. */
export interface StorageEvents {
  /** Stored content is not what it should be; from now on it is not served. Told once for each. */
  damaged: [
    found: {
      readonly kind: 'manifest' | 'blob';
      readonly digest: Digest;
      readonly damage: Damage;
      readonly foundBy: FoundBy;
    },
  ];
  /** Damaged content was stored anew, or read again and found right. */
  repaired: [repair: { readonly kind: 'manifest' | 'blob'; readonly digest: Digest }];
  /** The store could not do what it was asked. `code` is that of the file system, or the problem. */
  failed: [failure: { readonly doing: 'open' | 'import'; readonly code: string }];
  /** A scrub has read an object of so many bytes. */
  'scrub-read': [read: { readonly bytes: number }];
  /** A scrub has ended. */
  scrubbed: [report: ScrubReport];
  /** A reconciliation has ended. */
  reconciled: [report: ReconcileReport];
}
