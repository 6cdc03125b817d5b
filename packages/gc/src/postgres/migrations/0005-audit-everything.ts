import type { Knex } from 'knex';

/**
 * `gc_deletion` has the deletions, too, that no run makes (a reconciliation finishes what a dead process had begun, and
 * removes debris) and files that are no content. The indexes are for the rows of dead processes, and for what is too old to
 * be kept.
 */
export const auditEverything = {
  name: '0005-audit-everything',

  async up(knex: Knex): Promise<void> {
    await knex.raw(`
      ALTER TABLE gc_deletion
        ALTER COLUMN run_id DROP NOT NULL,
        ALTER COLUMN digest DROP NOT NULL,
        DROP CONSTRAINT gc_deletion_kind_check,
        ADD CONSTRAINT gc_deletion_kind_check
          CHECK (kind IN ('tag', 'manifest', 'blob', 'manifest_content', 'blob_content', 'file'))
    `);
    await knex.raw(`CREATE INDEX gc_deletion_intended ON gc_deletion (id) WHERE state = 'intended'`);
    await knex.raw('CREATE INDEX gc_deletion_age ON gc_deletion (intended_at)');
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw('DROP INDEX gc_deletion_age, gc_deletion_intended');
    await knex.raw(`DELETE FROM gc_deletion WHERE run_id IS NULL OR digest IS NULL OR kind = 'file'`);
    await knex.raw(`
      ALTER TABLE gc_deletion
        ALTER COLUMN run_id SET NOT NULL,
        ALTER COLUMN digest SET NOT NULL,
        DROP CONSTRAINT gc_deletion_kind_check,
        ADD CONSTRAINT gc_deletion_kind_check
          CHECK (kind IN ('tag', 'manifest', 'blob', 'manifest_content', 'blob_content'))
    `);
  },
};
