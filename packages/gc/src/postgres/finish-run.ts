import type { Knex } from 'knex';
import type { GcReport } from '../report.js';

/** Ends a run and keeps its numbers; what it deleted stands in `gc_deletion`. A run that was taken over stays so. */
export async function finishRun(knex: Knex, report: GcReport): Promise<void> {
  const { steps, expiredTotal, kept, held, brake, skipped, organization, links } = report;
  const { manifests, blobs, bytes } = report.freed;
  await knex.raw(
    `UPDATE gc_run SET state = :outcome, finished_at = :finishedAt, heartbeat_at = :finishedAt, report = :summary
      WHERE run_id = :runId AND state = 'running'`,
    {
      runId: report.runId,
      outcome: report.outcome,
      finishedAt: new Date(report.finishedAt),
      summary: JSON.stringify({
        organization,
        steps,
        brake,
        skipped,
        expired_total: expiredTotal,
        kept,
        held,
        links: { kept_total: links.keptTotal },
        freed: { manifests, blobs, bytes },
      }),
    },
  );
}
