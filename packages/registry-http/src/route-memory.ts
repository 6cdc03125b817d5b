import { parseRegistryRoute, type RegistryRoute } from './route.js';

/** Most targets that are remembered. */
const MAX_TARGETS = 4_096;
/** Longer targets are parsed each time: nobody's pulls are among them often. */
const MAX_TARGET_LENGTH = 512;

/** `parseRegistryRoute`, which remembers pulls of manifests: the ones in demand have the same target every time. */
export class RouteMemory {
  readonly #routes = new Map<string, RegistryRoute>();

  /** As `parseRegistryRoute`. The route may be shared with other requests. */
  parse(target: string): RegistryRoute | undefined {
    const known = this.#routes.get(target);
    if (known !== undefined) return known;
    const route = parseRegistryRoute(target);
    if (route?.kind === 'manifest' && target.length <= MAX_TARGET_LENGTH) {
      // Begun anew rather than in order of use: what is in demand is back with its next pull.
      if (this.#routes.size >= MAX_TARGETS) this.#routes.clear();
      this.#routes.set(target, route);
    }
    return route;
  }
}
