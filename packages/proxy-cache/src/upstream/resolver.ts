import { lookup } from 'node:dns';
import type { Lookup, ResolvedAddress } from '../ports.js';
import { UpstreamError } from './upstream-error.js';

/** Most look-ups that run at a time: each occupies a thread of the pool that file reads need as well. */
const MAX_LOOKUPS = 2;

/** Resolves names as the system resolves them: hosts file, search domains and all. */
export const systemLookup: Lookup = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true, verbatim: true }, (error, addresses) => {
      if (error !== null) reject(error);
      else resolve(addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })));
    });
  });

/**
 * Shares look-ups of one name and bounds how many run at a time, so that a resolver which hangs never takes the threads
 * that cached blobs are read with. Nothing is remembered: the next connection asks anew.
 */
export class Resolver {
  readonly #inFlight = new Map<string, Promise<readonly ResolvedAddress[]>>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(private readonly lookup: Lookup) {}

  /** @throws UpstreamError class `dns` */
  resolve(hostname: string): Promise<readonly ResolvedAddress[]> {
    const known = this.#inFlight.get(hostname);
    if (known !== undefined) return known;
    const looking = this.#run(hostname).finally(() => this.#inFlight.delete(hostname));
    this.#inFlight.set(hostname, looking);
    return looking;
  }

  async #run(hostname: string): Promise<readonly ResolvedAddress[]> {
    if (this.#running >= MAX_LOOKUPS) await new Promise<void>((go) => this.#queue.push(go));
    else this.#running += 1;
    try {
      const addresses = await this.lookup(hostname);
      if (addresses.length === 0) throw new UpstreamError('dns', 'the name of the upstream has no address');
      return addresses;
    } catch (cause) {
      throw new UpstreamError('dns', 'the name of the upstream could not be resolved', { cause });
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
