/** How long the upstream may take. Milliseconds; requirements P1 to P3 give the defaults. */
export interface Deadlines {
  /** Name look-up and TCP connection, default 5,000. */
  readonly connectMs: number;
  /** TLS handshake, default 5,000. */
  readonly tlsMs: number;
  /** From the request to the response headers, connecting included, default 15,000. */
  readonly headersMs: number;
  /** Longest silence inside a body, default 30,000. */
  readonly idleMs: number;
  /** A whole manifest, default 30,000. */
  readonly manifestMs: number;
  /** A whole blob, default 60 minutes; a large one has as long as it takes at 1 KiB/s (P2). */
  readonly blobMs: number;
  /** How long a pull waits for a check while a copy can be served, default 2,000. */
  readonly checkBudgetMs: number;
  /** How long a pull that nothing is cached for waits in all for the first byte, default 15,000. */
  readonly clientBudgetMs: number;
}

/** The defaults of requirements P1 to P3. containerd gives up on a silent mirror after 30 s. */
export const DEFAULT_DEADLINES: Deadlines = {
  connectMs: 5_000,
  tlsMs: 5_000,
  headersMs: 15_000,
  idleMs: 30_000,
  manifestMs: 30_000,
  blobMs: 60 * 60_000,
  checkBudgetMs: 2_000,
  clientBudgetMs: 15_000,
};
