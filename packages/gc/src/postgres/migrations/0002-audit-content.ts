import type { Knex } from 'knex';

/**
 * `gc_run.token` grows from run to run, so that whoever removes something can refuse a run that was taken for dead.
 * `gc_deletion` has the content that was freed beside the references that went: content belongs to no repository.
 */
export const auditContent = {
  name: '0002-audit-content',

  async up(knex: Knex): Promise<void> {
    await knex.raw('ALTER TABLE gc_run ADD COLUMN token bigint GENERATED ALWAYS AS IDENTITY');
    await knex.raw(`
      ALTER TABLE gc_deletion
        ADD COLUMN generation text,
        ADD COLUMN size bigint,
        ALTER COLUMN organization DROP NOT NULL,
        ALTER COLUMN repository DROP NOT NULL,
        DROP CONSTRAINT gc_deletion_kind_check,
        ADD CONSTRAINT gc_deletion_kind_check
          CHECK (kind IN ('tag', 'manifest', 'blob', 'manifest_content', 'blob_content'))
    `);
  },

  async down(knex: Knex): Promise<void> {
    await knex.raw(`DELETE FROM gc_deletion WHERE kind IN ('manifest_content', 'blob_content')`);
    await knex.raw(`
      ALTER TABLE gc_deletion
        DROP COLUMN generation,
        DROP COLUMN size,
        ALTER COLUMN organization SET NOT NULL,
        ALTER COLUMN repository SET NOT NULL,
        DROP CONSTRAINT gc_deletion_kind_check,
        ADD CONSTRAINT gc_deletion_kind_check CHECK (kind IN ('tag', 'manifest', 'blob'))
    `);
    await knex.raw('ALTER TABLE gc_run DROP COLUMN token');
  },
};
