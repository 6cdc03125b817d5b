import type { Sabotage } from './sabotage.js';
import type { Session } from './session.js';

/** The parts of the distribution-spec that registries have to keep to. */
export type Section = 'pull' | 'push' | 'discovery' | 'management' | 'proxying' | 'api';

/** Where the requests of a check go. */
export interface Sides {
  /** Where content is pushed: the registry, or the upstream of the one that is checked. */
  readonly write: Session;
  /** The registry that is checked. */
  readonly read: Session;
  /** Content that several checks look at and none changes, pushed once for all of them. */
  readonly shared: SharedContent;
}

/** Makes content under a name when it is first asked for, and says below which path it is. */
export type SharedContent = <Content>(
  name: string,
  make: (write: Session) => Promise<Content>,
) => Promise<{ readonly content: Content; readonly path: string }>;

/** Looks at what was prepared, through the registry that is checked; fails by throwing. */
export type Verify = (read: Session) => Promise<void>;

/** One clause of the spec, and how it is checked. */
export interface Check {
  /** `<section>.<what>`; also the name of its switch in the broken registry. */
  readonly id: string;
  readonly section: Section;
  readonly level: 'MUST' | 'SHOULD';
  /** The clause in our words. */
  readonly says: string;
  /** What of the registry has to be broken so that this check fails. */
  readonly broken: Sabotage;
  /** What it says then: `<method>: <part of the sentence>`, so that it is seen to fail where it looks at its clause. */
  readonly red: string;
  /** True where a cache cannot know the answer while its upstream is down: then the check is not made. */
  readonly needsUpstream?: boolean;
  /** Pushes what is needed, checks what can be checked right there, and says how to look at it. */
  prepare(sides: Sides): Promise<Verify | undefined>;
}

/** A check without its section, which its list gives it. */
export type ListedCheck = Omit<Check, 'section' | 'id'> & { readonly id: string };

/** The checks of a section. */
export function checksOf(section: Section, checks: readonly ListedCheck[]): readonly Check[] {
  return checks.map((each) => ({ ...each, section, id: `${section}.${each.id}` }));
}
