import {
  type Clock,
  isRegistryError,
  type Logger,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  type StoredManifest,
} from '@breakwater/registry-core';
import { backOffMs, MAX_ATTEMPTS } from '../completing/back-off.js';
import type { PulledImages } from '../completing/pulled-images.js';
import { mayAskBehindClients } from '../health/may-ask-behind-clients.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { ProxiedRepository } from '../ports.js';
import type { Source } from '../postgres/missing-content-table.js';
import type { DueLook, SignatureLookTable } from '../postgres/signature-look-table.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { ImageSignatures } from './image-signatures.js';
import { nextLook } from './look-schedule.js';
import { canBeSigned } from './signature-tags.js';

/** What looks for signatures lean on. */
export interface SignatureLooksParts {
  readonly table: SignatureLookTable;
  readonly signatures: Pick<ImageSignatures, 'look' | 'close'>;
  readonly settings: ProxyCacheSettingsReader;
  readonly health: UpstreamHealth;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MAX_AT_A_TIME = 2;
const SOURCES_AT_A_TIME = 100;
/** How long clients have to ask for it themselves before it is looked for, in milliseconds. */
const CLIENTS_FIRST_MS = 2_000;
/** Longer than a look may take, so that a claim is never renewed. Milliseconds. */
const LEASE_MS = 10 * 60_000;
/** How long nothing is looked for after nothing was found, unless something is noted here. Milliseconds. */
const IDLE_MS = 5_000;
const OWN_FAILURE_MS = 10_000;

/**
 * Looks for the signatures of pulled images, behind clients, where prefetch is on. The rows of `signature_look` are the queue
 * and the memory of what is not there, for all processes and over restarts.
 */
export class SignatureLooks implements PulledImages {
  readonly #running = new Set<Promise<void>>();
  #looking: Promise<void> | undefined;
  /** Monotonic. */
  #idleUntil = 0;
  #closed = false;

  constructor(private readonly parts: SignatureLooksParts) {}

  /** An image was pulled: a look for its signatures is noted, unless there was one not long ago. */
  async pulled(settings: ProxyCacheSettings, repository: ProxiedRepository, manifest: StoredManifest): Promise<void> {
    // Where nothing is served in an outage, nothing has to be there for one.
    if (settings.prefetch === 'off' || settings.stalenessPeriodS === 0 || !canBeSigned(manifest)) return;
    const now = this.parts.clock.now();
    await this.parts.table.note(repository, manifest.digest, now, now + CLIENTS_FIRST_MS);
    this.#idleUntil = 0;
  }

  /** Begins with what is due, seldom while there is nothing to do: to be called every second. Never throws. */
  tick(): void {
    if (this.#closed || this.#looking !== undefined || performance.now() < this.#idleUntil) return;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Starts none any more, and waits for those under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.parts.signatures.close();
    await this.#looking;
    await Promise.all(this.#running);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { table, logger } = this.parts;
    try {
      const sources = await table.sources(SOURCES_AT_A_TIME);
      this.#idleUntil = sources.length === 0 ? performance.now() + IDLE_MS : 0;
      for (const source of sources) await this.#startOf(source);
    } catch (error) {
      logger.warn({ err: error }, 'what signatures are to be looked for could not be read; it is tried again');
    }
  }

  async #startOf(source: Source): Promise<void> {
    const { table, settings, health, clock } = this.parts;
    const limit = MAX_AT_A_TIME - this.#running.size;
    if (limit <= 0 || this.#closed) return;
    const found = await settings.find(source.organization);
    if (found?.upstream !== source.upstream || found.prefetch === 'off') {
      await table.forget(source);
      return;
    }
    if (!(await mayAskBehindClients(health, clock, found))) return;
    const now = clock.now();
    for (const due of await table.claim(source, now, now + LEASE_MS, limit)) {
      const running = this.#run(found, due).finally(() => {
        this.#running.delete(running);
        this.tick();
      });
      this.#running.add(running);
    }
  }

  /** Never rejects. */
  async #run(settings: ProxyCacheSettings, due: DueLook): Promise<void> {
    const { table, signatures, clock, logger } = this.parts;
    try {
      const lookedForAbsent = due.absentAt <= clock.now();
      const found = await signatures.look(settings, due.repository, due.digest, lookedForAbsent);
      const misses = due.misses + (lookedForAbsent ? 1 : 0);
      const outcome = { found, misses, absentAt: due.absentAt, lookedForAbsent };
      await table.done(due, { misses, ...nextLook(outcome, settings, clock.now()) });
    } catch (error) {
      await this.#failed(settings, due, error).catch((cause: unknown) => {
        logger.warn({ err: cause, digest: due.digest }, 'that signatures could not be looked for could not be noted');
      });
    }
  }

  async #failed(settings: ProxyCacheSettings, due: DueLook, error: unknown): Promise<void> {
    const { table, clock, logger } = this.parts;
    const now = clock.now();
    if (!isUpstreamError(error) || this.#closed) {
      if (!this.#closed && !isRegistryError(error)) {
        logger.warn({ err: error, digest: due.digest }, 'signatures could not be looked for; it is tried again');
      }
      await table.putOff(due, this.#closed ? now : now + OWN_FAILURE_MS, due.attempts);
      return;
    }
    const attempts = due.attempts + 1;
    if (attempts < MAX_ATTEMPTS && error.failureClass !== 'denied' && error.failureClass !== 'blocked') {
      await table.putOff(due, now + backOffMs(attempts, Math.random()), attempts);
      return;
    }
    const misses = due.misses + 1;
    const outcome = { found: false, misses, absentAt: due.absentAt, lookedForAbsent: true };
    await table.done(due, { misses, ...nextLook(outcome, settings, now) });
  }
}
