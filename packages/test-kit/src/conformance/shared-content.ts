import type { SharedContent } from './check.js';
import type { Session } from './session.js';

/** Content that is pushed once, in repositories below a path of its own. */
export function sharedContent(sessionAt: (path: string) => Session, root: string): SharedContent {
  const made = new Map<string, Promise<unknown>>();
  return async <Content>(name: string, make: (write: Session) => Promise<Content>) => {
    const path = `${root}/${name}`;
    let making = made.get(name) as Promise<Content> | undefined;
    if (making === undefined) {
      making = make(sessionAt(path));
      made.set(name, making);
    }
    return { content: await making, path };
  };
}
