import { type ApiOperation, pageToken, readPageToken, readQuery } from '@breakwater/registry-http';
import { z } from 'zod';
import type { QuarantinedFile } from '../storage/blob-files.js';
import type { DamageList, StorageTaskName, StorageTasks } from '../storage/ports.js';
import { isoTime, nextPage, pageOf, pageQuery } from './names.js';

export interface StorageOperationParts {
  readonly damages: Pick<DamageList, 'list' | 'count'>;
  readonly storageTasks: Pick<StorageTasks, 'state'>;
  readonly files: { listQuarantine(): Promise<readonly QuarantinedFile[]> };
}

const taskView = z
  .strictObject({
    running: z.boolean(),
    started_at: z.iso.datetime().nullable(),
    finished_at: z.iso.datetime().nullable(),
    report: z.record(z.string(), z.unknown()).nullable().meta({ description: 'what the last finished run found' }),
  })
  .nullable();
const statusView = z.strictObject({
  damaged: z.strictObject({ manifests: z.int(), blobs: z.int() }),
  quarantine: z.strictObject({ files: z.int(), bytes: z.int() }),
  scrub: taskView,
  reconcile: taskView,
});
const damagedView = z.strictObject({
  kind: z.enum(['manifest', 'blob']),
  digest: z.string(),
  generation: z.string(),
  damage: z.enum(['missing', 'size', 'content', 'unreadable']),
  found_at: z.iso.datetime().nullable(),
});
const quarantinedView = z.strictObject({
  digest: z.string(),
  generation: z.string(),
  size: z.int(),
  quarantined_at: z.iso.datetime().nullable(),
});

/** How the blob store is, for administrators of the registry. */
export function storageOperations(parts: StorageOperationParts): readonly ApiOperation[] {
  const { damages, storageTasks, files } = parts;
  return [
    {
      id: 'getStorageStatus',
      method: 'GET',
      path: '/api/v1/storage',
      summary: 'How the blob store is: damage, quarantine, the last scrub and the last reconciliation.',
      right: 'administer',
      answers: { 200: { description: 'the status', body: statusView } },
      async handle() {
        const [damaged, quarantine, scrub, reconcile] = await Promise.all([
          damages.count(),
          files.listQuarantine(),
          taskStatus(storageTasks, 'scrub'),
          taskStatus(storageTasks, 'reconcile'),
        ]);
        const bytes = quarantine.reduce((sum, { size }) => sum + size, 0);
        return {
          status: 200,
          body: {
            damaged: { manifests: damaged.manifest, blobs: damaged.blob },
            quarantine: { files: quarantine.length, bytes },
            scrub,
            reconcile,
          },
        };
      },
    },
    {
      id: 'listDamagedContent',
      method: 'GET',
      path: '/api/v1/storage/damaged',
      summary: 'Lists stored content that is damaged and not replaced yet.',
      right: 'administer',
      query: pageQuery,
      answers: {
        200: {
          description: 'by kind and digest',
          body: z.strictObject({ damaged: z.array(damagedView), next_page: nextPage }),
        },
      },
      async handle({ query }) {
        const { limit, next_page } = readQuery(pageQuery, query);
        const [kind, digest, generation] = readPageToken(next_page, 3) ?? [];
        const after =
          kind === undefined || digest === undefined || generation === undefined
            ? undefined
            : { kind, digest, generation };
        const { page, more } = pageOf(await damages.list(after, limit + 1), limit);
        const last = page.at(-1);
        const next = more && last ? { next_page: pageToken([last.kind, last.digest, last.generation]) } : {};
        const damaged = page.map(({ foundAt, ...found }) => ({ ...found, found_at: isoTime(foundAt) }));
        return { status: 200, body: { damaged, ...next } };
      },
    },
    {
      id: 'listQuarantine',
      method: 'GET',
      path: '/api/v1/storage/quarantine',
      summary: 'Lists the damaged files that were replaced and are kept for a while.',
      right: 'administer',
      query: pageQuery,
      answers: {
        200: {
          description: 'oldest first',
          body: z.strictObject({ quarantine: z.array(quarantinedView), next_page: nextPage }),
        },
      },
      async handle({ query }) {
        const { limit, next_page } = readQuery(pageQuery, query);
        const [since, generation] = readPageToken(next_page, 2) ?? [];
        const all = [...(await files.listQuarantine())].sort(byAge);
        const rest =
          since === undefined || generation === undefined
            ? all
            : all.filter((file) => byAge(file, { since: Number(since), generation }) > 0);
        const { page, more } = pageOf(rest, limit);
        const last = page.at(-1);
        const next = more && last ? { next_page: pageToken([String(last.since), last.generation]) } : {};
        const quarantine = page.map(({ since: at, ...file }) => ({ ...file, quarantined_at: isoTime(at) }));
        return { status: 200, body: { quarantine, ...next } };
      },
    },
  ];
}

async function taskStatus(
  tasks: Pick<StorageTasks, 'state'>,
  name: StorageTaskName,
): Promise<z.input<typeof taskView>> {
  const state = await tasks.state(name);
  if (state === undefined) return null;
  return {
    running: state.running,
    started_at: isoTime(state.startedAt),
    finished_at: isoTime(state.finishedAt),
    report: (state.report as Record<string, unknown> | undefined) ?? null,
  };
}

type Age = Pick<QuarantinedFile, 'since' | 'generation'>;

function byAge(one: Age, other: Age): number {
  return (
    one.since - other.since || (one.generation < other.generation ? -1 : Number(one.generation > other.generation))
  );
}
