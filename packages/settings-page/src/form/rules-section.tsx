import { Checkbox, ExpandableSection, FormSection } from '@patternfly/react-core';
import { useState } from 'react';
import { MoreSettings } from './more-settings.js';
import type { SectionProps } from './section-props.js';

/** Who is served what, and what few people have to set. */
export function RulesSection({ editor, disabled }: SectionProps) {
  const { form, problems, change } = editor;
  const [open, setOpen] = useState(false);
  const mistaken =
    problems.prefetch_max_bytes !== undefined ||
    problems.quota_bytes !== undefined ||
    problems.upstream_ca_pem !== undefined;
  return (
    <FormSection title="Rules" titleElement="h2">
      <Checkbox
        id="serve-when-removed"
        data-testid="serve-when-removed"
        label="Serve cached images that the upstream says are gone"
        description="Within the staleness period, with a warning. Off: the pull fails as it would there."
        isChecked={form.serveWhenRemoved}
        isDisabled={disabled}
        onChange={(_event, serveWhenRemoved) => change({ serveWhenRemoved })}
      />
      <Checkbox
        id="serve-when-denied"
        data-testid="serve-when-denied"
        label="Serve cached images when the upstream refuses our credentials"
        description="Within the staleness period. Off: nobody pulls what these credentials may no longer read."
        isChecked={form.serveWhenDenied}
        isDisabled={disabled}
        onChange={(_event, serveWhenDenied) => change({ serveWhenDenied })}
      />
      <Checkbox
        id="anonymous-pull"
        data-testid="anonymous-pull"
        label="Pull without signing in"
        description="Everybody who reaches this registry may pull, and sees what the credentials above see."
        isChecked={form.anonymousPull}
        isDisabled={disabled}
        onChange={(_event, anonymousPull) => change({ anonymousPull })}
      />
      <ExpandableSection
        toggleText="More settings"
        isExpanded={open || mistaken}
        onToggle={(_event, expanded) => setOpen(expanded)}
      >
        <MoreSettings editor={editor} disabled={disabled} />
      </ExpandableSection>
    </FormSection>
  );
}
