import type { EventEmitter } from 'node:events';
import type { Logger } from '@breakwater/registry-core';
import type { Emit, IsHeard, ProxyCacheEventName, ProxyCacheEvents } from '../events.js';
import type { OutageCounts } from './outage-counts.js';
import { type TimelineEvent, timelineKind } from './timeline-kinds.js';

/** The host's way to hear of events. */
export type ProxyCacheEmitter = EventEmitter<{ [Name in ProxyCacheEventName]: [...ProxyCacheEvents[Name]] }>;

/**
 * Tells the timeline, and then the host. A listener that throws costs the host that event and its log a line, and no
 * client its pull. `isHeard` is about the host's listeners only.
 */
export function createEmit(
  events: ProxyCacheEmitter,
  counts: Pick<OutageCounts, 'note'>,
  logger: Logger,
): { readonly emit: Emit; readonly isHeard: IsHeard } {
  return {
    emit: (name, ...payload) => {
      const kind = timelineKind(name);
      if (kind !== undefined) {
        const [event] = payload as unknown as ProxyCacheEvents[TimelineEvent];
        const met = 'organizations' in event ? event.organizations : [event.organization];
        for (const organization of met) counts.note(organization, kind, event.failureClass);
      }
      try {
        events.emit(name as never, ...(payload as never));
      } catch (error) {
        logger.error({ err: error, event: name }, 'a listener to an event of the proxy cache threw');
      }
    },
    isHeard: (name) => events.listenerCount(name) > 0,
  };
}
