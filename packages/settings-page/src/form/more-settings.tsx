import { Checkbox, FormSection, FormSelect, FormSelectOption, TextArea } from '@patternfly/react-core';
import type { Prefetch } from '../api/shapes.js';
import { AmountInput } from '../parts/amount-input.js';
import { describedBy, Field } from '../parts/field.js';
import { BYTE_UNITS } from '../words/byte-size.js';
import { PREFETCH_WORDS } from '../words/setting-words.js';
import { invalidity, type SectionProps } from './section-props.js';

/** Fetching in the background, the quota, certificates. */
export function MoreSettings({ editor, disabled }: SectionProps) {
  const { form, base, problems, change } = editor;
  const fingerprints = base?.view.upstream_ca_fingerprints ?? [];
  return (
    <FormSection>
      <Field
        id="prefetch"
        label="Fetch in the background after a pull"
        problem={problems.prefetch}
        help="Only what is complete in the cache can be pulled whole while the upstream is down."
      >
        <FormSelect
          id="prefetch"
          data-testid="prefetch"
          value={form.prefetch}
          isDisabled={disabled}
          aria-describedby={describedBy('prefetch')}
          onChange={(_event, prefetch) => change({ prefetch: prefetch as Prefetch })}
        >
          {Object.entries(PREFETCH_WORDS).map(([value, label]) => (
            <FormSelectOption key={value} value={value} label={label} />
          ))}
        </FormSelect>
      </Field>
      <Field id="prefetch-max" label="Most to fetch for one image" problem={problems.prefetch_max_bytes}>
        <AmountInput
          id="prefetch-max"
          label="Most to fetch for one image"
          value={form.prefetchMax}
          units={BYTE_UNITS}
          invalid={problems.prefetch_max_bytes !== undefined}
          disabled={disabled || form.prefetch === 'off'}
          testId="prefetch-max"
          unitTestId="prefetch-max-unit"
          onChange={(prefetchMax) => change({ prefetchMax })}
        />
      </Field>
      <Checkbox
        id="has-quota"
        data-testid="has-quota"
        label="Limit what is kept"
        description="The images that were pulled longest ago go first. Pinned ones stay."
        isChecked={form.hasQuota}
        isDisabled={disabled}
        onChange={(_event, hasQuota) => change({ hasQuota })}
      />
      {form.hasQuota ? (
        <Field id="quota" label="Quota" problem={problems.quota_bytes}>
          <AmountInput
            id="quota"
            label="Quota"
            value={form.quota}
            units={BYTE_UNITS}
            invalid={problems.quota_bytes !== undefined}
            disabled={disabled}
            testId="quota"
            unitTestId="quota-unit"
            onChange={(quota) => change({ quota })}
          />
        </Field>
      ) : null}
      <Field
        id="certificates"
        label="Certificates of an authority of your own"
        problem={problems.upstream_ca_pem}
        help={
          fingerprints.length === 0
            ? 'PEM. Trusted for this upstream beside the usual authorities.'
            : `Stored now, by SHA-256: ${fingerprints.join(', ')}. Leave it empty to keep them.`
        }
      >
        <TextArea
          id="certificates"
          data-testid="certificates"
          value={form.certificates}
          rows={3}
          resizeOrientation="vertical"
          spellCheck={false}
          isDisabled={disabled}
          placeholder="-----BEGIN CERTIFICATE-----"
          {...invalidity('certificates', problems.upstream_ca_pem)}
          onChange={(_event, certificates) => change({ certificates, removeCertificates: false })}
        />
      </Field>
      {fingerprints.length === 0 ? null : (
        <Checkbox
          id="remove-certificates"
          label="Remove the stored certificates"
          isChecked={form.removeCertificates}
          isDisabled={disabled || form.certificates !== ''}
          onChange={(_event, removeCertificates) => change({ removeCertificates })}
        />
      )}
    </FormSection>
  );
}
