import type { ServerResponse } from 'node:http';
import type { Digest, Repository } from '@breakwater/registry-core';

/** Content that is about to be served. */
export interface Served {
  readonly repository: Repository;
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
}

/**
 * Told of every successful pull just before its head is written. A promise is waited for, so that a lease can be in
 * place before the client knows of the content. It must not reject.
 */
export type ServedObserver = (served: Served) => Promise<void> | undefined;

const observersKey = Symbol.for('breakwater.served-observers');
type Observed = ServerResponse & { [observersKey]?: ServedObserver[] };

/** Asks to be told when the pull that this response answers is served. */
export function observeServed(response: ServerResponse, observer: ServedObserver): void {
  const observed = response as Observed;
  const observers = observed[observersKey];
  if (observers === undefined) observed[observersKey] = [observer];
  else observers.push(observer);
}

/** Tells the observers; `undefined` when nobody needs to be waited for. */
export function tellServed(response: ServerResponse, served: Served): Promise<unknown> | undefined {
  const observers = (response as Observed)[observersKey];
  if (observers === undefined) return undefined;
  let waiting: Promise<void>[] | undefined;
  for (const observer of observers) {
    const pending = observer(served);
    if (pending !== undefined) {
      waiting ??= [];
      waiting.push(pending);
    }
  }
  return waiting === undefined ? undefined : Promise.all(waiting);
}
