import { MODEL_MANIFESTS, type ModelManifest } from './model-images.js';

// What has to be there after a collection, and what must be gone, by the rule of the design and nothing else. Where
// nobody outside can know (a use that a crash may have lost, an outage that nobody has noticed) it says neither.

/** Periods in seconds. */
export interface ModelSettings {
  readonly stalenessS: number;
  readonly expirationS: number;
}

/** All times are ms since the epoch. */
interface ModelTag {
  current: string;
  confirmedAt: number;
  /** Certainly used then; what a crash may have lost does not count. */
  usedAt: number;
  /** Possibly used then. */
  perhapsUsedAt: number;
  /** The use that is certainly written. */
  writtenUseAt: number;
  pinned: boolean;
  previous: { readonly digest: string; readonly confirmedAt: number } | undefined;
  perhapsPrevious: Set<string>;
}

interface ModelUse {
  since: number;
  usedAt: number;
  /** 0 = never. */
  writtenUseAt: number;
  /** Whether it has come, or comes, to be written for certain. */
  isCertain: boolean;
}

interface ModelLease {
  at: number;
  /** 0 = never. */
  writtenAt: number;
  isWritten: boolean;
}

interface ModelOrganization {
  settings: ModelSettings;
  isDown: boolean;
  /** Since when the outage has been noticed. */
  noticedAt: number | undefined;
  lastSuccessAt: number | undefined;
  readonly tags: Map<string, ModelTag>;
  readonly uses: Map<string, ModelUse>;
  readonly leases: Map<string, ModelLease>;
  /** What is certainly stored. */
  readonly stored: Set<string>;
  /** When something was stored or pulled, at the latest. */
  readonly touched: Map<string, number>;
}

export type Fate = 'stays' | 'goes' | 'either';

/** What a collection at this moment has to leave, and may leave, of an organization. */
export interface ModelVerdict {
  readonly tags: ReadonlyMap<string, { readonly fate: Fate; readonly digest: string }>;
  readonly uses: ReadonlyMap<string, Fate>;
  /** Manifests and blobs that have to be there. */
  readonly reachable: ReadonlySet<string>;
  /** Manifests and blobs that may be there; nothing else may. */
  readonly permitted: ReadonlySet<string>;
}

/** What was found after a collection. */
export interface ObservedOrganization {
  readonly tags: ReadonlyMap<string, { readonly digest: string; readonly previous: string | undefined }>;
  readonly uses: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
}

/** The periods of the host, ms. */
export interface ModelPeriods {
  readonly graceMs: number;
  readonly holdMs: number;
}

/** How late a use may be written, and what is kept for longer because of that, ms. */
const MARGIN_MS = 10_000;
/** An upstream that answered within this time is believed to be up, ms. */
const BELIEVED_MS = 3_600_000;

/** The reference model of what is kept. */
export class ReferenceModel {
  readonly #organizations = new Map<string, ModelOrganization>();

  constructor(private readonly periods: ModelPeriods) {}

  add(organization: string, settings: ModelSettings): void {
    this.#organizations.set(organization, {
      settings,
      isDown: false,
      noticedAt: undefined,
      lastSuccessAt: undefined,
      tags: new Map(),
      uses: new Map(),
      leases: new Map(),
      stored: new Set(),
      touched: new Map(),
    });
  }

  setSettings(organization: string, settings: ModelSettings): void {
    this.#of(organization).settings = settings;
  }

  setDown(organization: string, isDown: boolean): void {
    this.#of(organization).isDown = isDown;
  }

  isDown(organization: string): boolean {
    return this.#of(organization).isDown;
  }

  /** A request for a manifest came to the upstream. */
  asked(organization: string, now: number): void {
    const of = this.#of(organization);
    if (of.isDown) of.noticedAt ??= now;
    else {
      of.noticedAt = undefined;
      of.lastSuccessAt = now;
    }
  }

  /** The upstream has said where a tag points to. */
  confirmed(organization: string, name: string, digest: string, now: number): void {
    const of = this.#of(organization);
    const tag = of.tags.get(name);
    if (tag === undefined) {
      of.tags.set(name, {
        current: digest,
        confirmedAt: now,
        usedAt: now,
        perhapsUsedAt: now,
        writtenUseAt: now,
        pinned: false,
        previous: undefined,
        perhapsPrevious: new Set(),
      });
      return;
    }
    if (tag.current !== digest) {
      tag.perhapsPrevious.add(tag.current);
      tag.previous = this.#previousOnMove(of, tag, digest);
      tag.current = digest;
    }
    tag.confirmedAt = now;
  }

  stored(organization: string, digest: string, now: number): void {
    const of = this.#of(organization);
    of.stored.add(digest);
    of.touched.set(digest, now);
  }

  touched(organization: string, digest: string, now: number): void {
    this.#of(organization).touched.set(digest, now);
  }

  /** A pull of a tag was answered. @param served the digest that the answer named */
  pulledTag(organization: string, name: string, status: number, served: string | undefined, now: number): void {
    const of = this.#of(organization);
    const tag = of.tags.get(name);
    if (tag !== undefined) {
      tag.perhapsUsedAt = now;
      if (status === 200 || status >= 500) tag.usedAt = now;
      this.#dropPrevious(of, tag, now);
    }
    if (status === 200 && served !== undefined) this.#lease(of, served, now);
  }

  pulledDigest(organization: string, digest: string, status: number, now: number): void {
    const of = this.#of(organization);
    if (status !== 200) return;
    this.#lease(of, digest, now);
    const use = of.uses.get(digest);
    if (use === undefined) of.uses.set(digest, { since: now, usedAt: now, writtenUseAt: 0, isCertain: true });
    else {
      use.usedAt = now;
      use.isCertain = true;
    }
  }

  pin(organization: string, name: string, pinned: boolean): void {
    const tag = this.#of(organization).tags.get(name);
    if (tag !== undefined) tag.pinned = pinned;
  }

  tagsOf(organization: string): readonly string[] {
    return [...this.#of(organization).tags.keys()];
  }

  /** Uses that have to come to be written. */
  unwritten(organization: string): {
    readonly tags: readonly (readonly [string, number])[];
    readonly uses: readonly (readonly [string, number])[];
  } {
    const of = this.#of(organization);
    return {
      tags: [...of.tags].flatMap(([name, tag]) => (tag.usedAt > tag.writtenUseAt ? [[name, tag.usedAt] as const] : [])),
      uses: [...of.uses].flatMap(([digest, use]) =>
        use.isCertain && use.usedAt > use.writtenUseAt ? [[digest, use.usedAt] as const] : [],
      ),
    };
  }

  usesWritten(): void {
    for (const of of this.#organizations.values()) {
      for (const tag of of.tags.values()) tag.writtenUseAt = Math.max(tag.writtenUseAt, tag.usedAt);
      for (const use of of.uses.values()) if (use.isCertain) use.writtenUseAt = use.usedAt;
    }
  }

  /** Leases that are still in memory are written with the time of the last use of all, which may be now. */
  collecting(now: number): void {
    for (const of of this.#organizations.values()) {
      for (const [digest, lease] of of.leases) if (!lease.isWritten) of.touched.set(digest, now);
    }
  }

  leasesWritten(): void {
    for (const of of this.#organizations.values()) {
      for (const lease of of.leases.values()) Object.assign(lease, { writtenAt: lease.at, isWritten: true });
    }
  }

  /** What was only in memory may be lost. */
  crashed(now: number): void {
    for (const of of this.#organizations.values()) {
      for (const tag of of.tags.values()) {
        tag.usedAt = tag.writtenUseAt;
        this.#dropPrevious(of, tag, now);
      }
      for (const use of of.uses.values()) use.isCertain &&= use.writtenUseAt === use.usedAt;
      for (const [digest, lease] of of.leases) {
        if (lease.writtenAt === 0) of.leases.delete(digest);
        else Object.assign(lease, { at: lease.writtenAt, isWritten: true });
      }
    }
  }

  verdict(organization: string, now: number): ModelVerdict {
    const of = this.#of(organization);
    const tags = new Map(
      [...of.tags].map(([name, tag]) => [name, { fate: this.#fateOfTag(of, tag, now), digest: tag.current }]),
    );
    const uses = new Map([...of.uses].map(([digest, use]) => [digest, this.#fateOfUse(of, use, now)]));
    const certain = new Set<string>();
    const possible = new Set<string>();
    for (const [name, tag] of of.tags) {
      const fate = tags.get(name)?.fate;
      if (fate === 'goes') continue;
      for (const digest of [tag.current, ...tag.perhapsPrevious]) possible.add(digest);
      if (fate !== 'stays') continue;
      certain.add(tag.current);
      const { previous } = tag;
      if (previous !== undefined && this.#keepsPrevious(of, tag, now)) certain.add(previous.digest);
    }
    for (const [digest, fate] of uses) {
      if (fate !== 'goes') possible.add(digest);
      if (fate === 'stays') certain.add(digest);
    }
    for (const [digest, { at }] of of.leases) if (now - at <= this.periods.graceMs) certain.add(digest);
    for (const [digest, at] of of.touched) {
      // A link is touched a millisecond later than it was, when it is touched twice at the same time.
      if (now - at <= this.periods.graceMs + MARGIN_MS + 1_000) possible.add(digest);
    }
    return {
      tags,
      uses,
      reachable: closure(certain, (digest) => of.stored.has(digest)),
      permitted: closure(possible, () => true),
    };
  }

  /** Takes over what was found: where nobody could know it, it is known now. */
  observed(organization: string, found: ObservedOrganization): void {
    const of = this.#of(organization);
    for (const [name, tag] of of.tags) {
      const row = found.tags.get(name);
      if (row === undefined) of.tags.delete(name);
      else tag.perhapsPrevious = new Set(row.previous === undefined ? [] : [row.previous]);
    }
    for (const [digest, use] of of.uses) {
      if (found.uses.has(digest)) continue;
      // A use that is not written yet comes to be written, and is the first one then.
      if (use.isCertain && use.usedAt > use.writtenUseAt) Object.assign(use, { since: use.usedAt, writtenUseAt: 0 });
      else of.uses.delete(digest);
    }
    for (const each of [of.stored, of.touched, of.leases]) {
      for (const digest of [...each.keys()]) if (!found.links.has(digest)) each.delete(digest);
    }
  }

  #of(organization: string): ModelOrganization {
    const of = this.#organizations.get(organization);
    if (of === undefined) throw new Error(`the model has no ${organization}`);
    return of;
  }

  #fateOfTag(of: ModelOrganization, tag: ModelTag, now: number): Fate {
    if (tag.pinned) return 'stays';
    return this.#fate(of, { since: tag.confirmedAt, usedAt: tag.usedAt, perhapsUsedAt: tag.perhapsUsedAt }, now);
  }

  #fateOfUse(of: ModelOrganization, { since, usedAt, isCertain }: ModelUse, now: number): Fate {
    const fate = this.#fate(of, { since, usedAt, perhapsUsedAt: usedAt }, now);
    return fate === 'stays' && !isCertain ? 'either' : fate;
  }

  #fate(
    of: ModelOrganization,
    clocks: { readonly since: number; readonly usedAt: number; readonly perhapsUsedAt: number },
    now: number,
  ): Fate {
    const { stalenessS, expirationS } = of.settings;
    const age = now - clocks.since;
    if (age <= stalenessS * 1000 || expirationS === 0) return 'stays';
    if (now - clocks.usedAt <= expirationS * 1000) return 'stays';
    const held = this.#hold(of, now);
    if (held === 'stays') return 'stays';
    const isLongPast = age > stalenessS * 1000 + MARGIN_MS;
    const isLongUnused = now - clocks.perhapsUsedAt > expirationS * 1000 + MARGIN_MS;
    return isLongPast && isLongUnused ? held : 'either';
  }

  /** What an outage makes of what is due. */
  #hold(of: ModelOrganization, now: number): Fate {
    const { isDown, noticedAt, lastSuccessAt } = of;
    if (noticedAt !== undefined) {
      if (now - noticedAt > this.periods.holdMs) return isDown ? 'goes' : 'either';
      return isDown ? 'stays' : 'either';
    }
    if (!isDown) return 'goes';
    // Who has not heard of an upstream for long asks before anything goes.
    const asks = lastSuccessAt === undefined || now - lastSuccessAt > BELIEVED_MS;
    return asks ? 'stays' : 'either';
  }

  #lease(of: ModelOrganization, digest: string, now: number): void {
    const lease = of.leases.get(digest);
    if (lease === undefined) of.leases.set(digest, { at: now, writtenAt: 0, isWritten: false });
    else Object.assign(lease, { at: now, isWritten: false });
    of.touched.set(digest, now);
  }

  /** The last complete image of a tag, while what it moves to is not complete for the same platform. */
  #previousOnMove(of: ModelOrganization, tag: ModelTag, to: string): ModelTag['previous'] {
    const from = manifestOf(tag.current);
    const isIndex = from.children.length > 0;
    const isWhole = !isIndex && isComplete(of, from);
    const candidate = isWhole
      ? { digest: tag.current, confirmedAt: tag.confirmedAt }
      : isIndex
        ? undefined
        : tag.previous;
    if (candidate === undefined) return undefined;
    const platform = manifestOf(candidate.digest).platform;
    return platform === undefined || isCompleteFor(of, to, platform) ? undefined : candidate;
  }

  #keepsPrevious(of: ModelOrganization, { current, previous }: ModelTag, now: number): boolean {
    if (previous === undefined || now - previous.confirmedAt > of.settings.stalenessS * 1000) return false;
    const platform = manifestOf(previous.digest).platform;
    return platform !== undefined && !isCompleteFor(of, current, platform);
  }

  #dropPrevious(of: ModelOrganization, tag: ModelTag, now: number): void {
    if (tag.previous === undefined || this.#keepsPrevious(of, tag, now)) return;
    tag.perhapsPrevious.add(tag.previous.digest);
    tag.previous = undefined;
  }
}

function manifestOf(digest: string): ModelManifest {
  const manifest = MODEL_MANIFESTS.get(digest);
  if (manifest === undefined) throw new Error(`the model knows no manifest ${digest}`);
  return manifest;
}

function isComplete(of: ModelOrganization, { digest, blobs }: ModelManifest): boolean {
  return of.stored.has(digest) && blobs.every((blob) => of.stored.has(blob));
}

function isCompleteFor(of: ModelOrganization, digest: string, platform: string): boolean {
  const manifest = manifestOf(digest);
  if (manifest.children.length === 0) return isComplete(of, manifest);
  return manifest.children
    .map(manifestOf)
    .filter((child) => child.platform === platform)
    .every((child) => isComplete(of, child));
}

/** What roots lead to: children, blobs, and the signatures of what is there. */
function closure(roots: ReadonlySet<string>, isThere: (digest: string) => boolean): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...roots];
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (found.has(digest) || !isThere(digest)) continue;
    found.add(digest);
    const manifest = MODEL_MANIFESTS.get(digest);
    if (manifest === undefined) continue;
    open.push(...manifest.children, ...manifest.blobs);
    for (const other of MODEL_MANIFESTS.values()) if (other.subject === digest) open.push(other.digest);
  }
  return found;
}
