import type { TagQuery, TimelinePeriod } from './shapes.js';

/** Keys under which answers are kept. All of an organization begin with its name. */
export function settingsKey(organization: string): readonly string[] {
  return [organization, 'settings'];
}

export function organizationKey(organization: string): readonly string[] {
  return [organization, 'organization'];
}

export function healthKey(organization: string): readonly string[] {
  return [organization, 'health'];
}

export function eventsKey(organization: string, period: TimelinePeriod): readonly string[] {
  return [organization, 'events', period];
}

export function tagsKey(organization: string, query: TagQuery): readonly unknown[] {
  return [organization, 'tags', query];
}

export function warmKey(organization: string, id: string): readonly string[] {
  return [organization, 'warm', id];
}
