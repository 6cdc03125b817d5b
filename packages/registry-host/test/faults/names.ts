import type { Lookup, ResolvedAddress } from '@breakwater/proxy-cache';

/** Where the upstreams of these tests stand, and where a black hole and a canary do. Only the first two may be dialled. */
export const UPSTREAM_ADDRESS = '127.0.0.3';
export const BLACK_HOLE_ADDRESS = '127.0.0.1';
export const CANARY_ADDRESS = '127.0.0.9';

type Answer = () => Promise<readonly ResolvedAddress[]>;

/** A resolver whose answers a test can change. Every name is the upstream's address until told otherwise. */
export class Names {
  #answer: Answer | undefined;
  #release: () => void = () => undefined;

  readonly lookup: Lookup = () => (this.#answer ?? addresses(UPSTREAM_ADDRESS))();

  /** Every name has these addresses from now on. */
  pointTo(...to: readonly string[]): void {
    this.#answer = addresses(...to);
  }

  /** No name can be resolved: `ENOTFOUND` is what the system says of a name that is not there. */
  fail(code: string): void {
    this.#answer = () => Promise.reject(Object.assign(new Error('the name is not known'), { code }));
  }

  /** The resolver does not answer until it is healed. */
  hang(): void {
    const healed = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.#answer = async () => {
      await healed;
      return addresses(UPSTREAM_ADDRESS)();
    };
  }

  heal(): void {
    this.#answer = undefined;
    this.#release();
  }
}

function addresses(...to: readonly string[]): Answer {
  return async () => to.map((address) => ({ address, family: 4 as const }));
}
