import {
  ActionGroup,
  Alert,
  Button,
  Checkbox,
  ExpandableSection,
  Form,
  FormSection,
  FormSelect,
  FormSelectOption,
  Label,
  Radio,
  TextArea,
  TextInput,
} from '@patternfly/react-core';
import { type FormEvent, type RefObject, useEffect, useRef, useState } from 'react';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { Prefetch } from '../api/shapes.js';
import { ConnectionTest } from '../connection/connection-test.js';
import { AmountInput } from '../parts/amount-input.js';
import { describedBy, Field } from '../parts/field.js';
import { BYTE_UNITS } from '../words/byte-size.js';
import { UNITS } from '../words/duration.js';
import { checkSentence, expirationSentence, stalenessSentence } from '../words/period-sentences.js';
import { presetHint, UPSTREAM_PRESETS } from '../words/upstream-presets.js';
import { ClocksFigure } from './clocks-figure.js';
import { ConflictAlert } from './conflict-alert.js';
import { DeleteDialog } from './delete-dialog.js';
import { SaveFailure } from './save-failure.js';
import { type CheckChoice, clocksOf } from './settings-form.js';
import type { SettingsEditor } from './use-settings-editor.js';

interface SettingsFormCardProps {
  readonly api: SettingsPageApi;
  readonly editor: SettingsEditor;
  readonly organization: string;
  /** Whether the reader may change anything. */
  readonly mayWrite: boolean;
}

const PREFETCH_LABELS: Readonly<Record<Prefetch, string>> = {
  image: 'What the pulled image still lacks',
  all_platforms: 'Every platform of the image',
  off: 'Nothing',
};

/** The form, with Quay's fields and test ids, and what this registry adds. */
export function SettingsFormCard({ api, editor, organization, mayWrite }: SettingsFormCardProps) {
  const [deleteAsked, setDeleteAsked] = useState(false);
  const { base, problems } = editor;
  const disabled = !mayWrite || editor.saving || editor.deleting;
  const form = useFocusOnMistake(editor.refusals);
  useWarningOnLeaving(editor.changed && mayWrite);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (mayWrite) editor.save();
  };
  return (
    <div ref={form}>
      <Form onSubmit={submit} isWidthLimited noValidate aria-label="Settings of the upstream" autoComplete="off">
        {mayWrite ? null : (
          <Alert component="p" isInline variant="info" title="You can see these settings, but not change them">
            Only administrators of {organization} may change them.
          </Alert>
        )}
        <UpstreamSection editor={editor} disabled={disabled} />
        <CredentialsSection editor={editor} disabled={disabled} />
        <ClocksSection editor={editor} disabled={disabled} />
        <RulesSection editor={editor} disabled={disabled} />
        {mayWrite ? <ConnectionTest api={api} organization={organization} editor={editor} /> : null}
        <ConflictAlert editor={editor} />
        <SaveFailure editor={editor} />
        {Object.keys(problems).length === 0 ? null : <MistakesAlert count={Object.keys(problems).length} />}
        <ActionGroup>
          <Button
            type="submit"
            variant="primary"
            data-testid="save-proxy-cache-btn"
            isDisabled={disabled || (base !== undefined && !editor.changed)}
            isLoading={editor.saving}
          >
            Save
          </Button>
          {editor.changed ? (
            <Button variant="link" isDisabled={disabled} onClick={editor.discard}>
              Discard changes
            </Button>
          ) : null}
          <Button
            variant="danger"
            data-testid="delete-proxy-cache-btn"
            isDisabled={disabled || base === undefined}
            isLoading={editor.deleting}
            onClick={() => setDeleteAsked(true)}
          >
            Delete
          </Button>
          <span aria-live="polite">
            {editor.changed && mayWrite ? (
              <Label color="orange" data-testid="unsaved-changes">
                Unsaved changes
              </Label>
            ) : null}
          </span>
        </ActionGroup>
        <DeleteDialog
          isOpen={deleteAsked}
          organization={organization}
          onCancel={() => setDeleteAsked(false)}
          onConfirm={() => {
            setDeleteAsked(false);
            editor.remove();
          }}
        />
      </Form>
    </div>
  );
}

interface SectionProps {
  readonly editor: SettingsEditor;
  readonly disabled: boolean;
}

function UpstreamSection({ editor, disabled }: SectionProps) {
  const { form, problems, change } = editor;
  const known = UPSTREAM_PRESETS.some(({ upstream }) => upstream === form.upstream) ? form.upstream : '';
  return (
    <FormSection title="Upstream" titleElement="h2">
      <Field
        id="remote-registry"
        label="Remote registry"
        required
        problem={problems.upstream_registry}
        help={presetHint(form.upstream) ?? 'host[:port][/namespace], without https://'}
      >
        <TextInput
          id="remote-registry"
          data-testid="remote-registry-input"
          value={form.upstream}
          isRequired
          isDisabled={disabled}
          placeholder="docker.io"
          spellCheck={false}
          autoCapitalize="off"
          {...invalidity('remote-registry', problems.upstream_registry)}
          onChange={(_event, upstream) => change({ upstream })}
        />
      </Field>
      <Field id="well-known-registry" label="Well-known registries">
        <FormSelect
          id="well-known-registry"
          data-testid="well-known-registry"
          value={known}
          isDisabled={disabled}
          onChange={(_event, upstream) => (upstream === '' ? undefined : change({ upstream, insecure: false }))}
        >
          <FormSelectOption value="" label="Choose one to fill in its address" />
          {UPSTREAM_PRESETS.map(({ upstream, name }) => (
            <FormSelectOption key={upstream} value={upstream} label={`${name} (${upstream})`} />
          ))}
        </FormSelect>
      </Field>
      <Checkbox
        id="remote-registry-insecure"
        data-testid="remote-registry-insecure"
        label="Insecure"
        description="Use http instead of https. Credentials and images then travel unprotected."
        isChecked={form.insecure}
        isDisabled={disabled}
        onChange={(_event, insecure) => change({ insecure })}
      />
    </FormSection>
  );
}

function CredentialsSection({ editor, disabled }: SectionProps) {
  const { form, base, problems, change } = editor;
  const stored = base?.view.has_credentials === true;
  const keeps = stored && !form.removeCredentials;
  return (
    <FormSection title="Credentials" titleElement="h2">
      <Alert
        component="p"
        isInline
        isPlain
        variant="info"
        title="Whoever may pull from here sees what these credentials see"
      >
        Everybody who may pull from this organization can pull every repository that these credentials can read.
      </Alert>
      <Field
        id="remote-registry-username"
        label="Remote registry username"
        problem={problems.upstream_registry_username}
        help={keeps ? 'Stored, and never shown again. Leave both empty to keep them.' : undefined}
      >
        <TextInput
          id="remote-registry-username"
          data-testid="remote-registry-username"
          value={form.username}
          isDisabled={disabled}
          autoComplete="off"
          spellCheck={false}
          placeholder={keeps ? 'unchanged' : ''}
          {...invalidity('remote-registry-username', problems.upstream_registry_username)}
          onChange={(_event, username) => change({ username, removeCredentials: false })}
        />
      </Field>
      <Field
        id="remote-registry-password"
        label="Remote registry password"
        problem={problems.upstream_registry_password}
        help="An access token with the right to pull is enough, and better than a password."
      >
        <TextInput
          id="remote-registry-password"
          data-testid="remote-registry-password"
          type="password"
          value={form.password}
          isDisabled={disabled}
          autoComplete="new-password"
          placeholder={keeps ? 'unchanged' : ''}
          {...invalidity('remote-registry-password', problems.upstream_registry_password)}
          onChange={(_event, password) => change({ password, removeCredentials: false })}
        />
      </Field>
      {stored ? (
        <Checkbox
          id="remove-credentials"
          data-testid="remove-credentials"
          label="Remove the stored credentials"
          isChecked={form.removeCredentials}
          isDisabled={disabled || form.username !== '' || form.password !== ''}
          onChange={(_event, removeCredentials) => change({ removeCredentials })}
        />
      ) : null}
    </FormSection>
  );
}

function ClocksSection({ editor, disabled }: SectionProps) {
  const { form, problems, change } = editor;
  const clocks = clocksOf(form);
  const choose = (check: CheckChoice) => () => change({ check });
  return (
    <FormSection title="Protection and freshness" titleElement="h2">
      <Field
        id="staleness-period"
        label="Staleness period"
        problem={problems.staleness_period_s}
        help={
          clocks === undefined ? undefined : (
            <span data-testid="staleness-sentence" aria-live="polite">
              {stalenessSentence(form.upstream, clocks)}
            </span>
          )
        }
      >
        <AmountInput
          id="staleness-period"
          label="Staleness period"
          value={form.staleness}
          units={UNITS}
          invalid={problems.staleness_period_s !== undefined}
          disabled={disabled}
          testId="staleness-period-input"
          unitTestId="staleness-period-unit"
          onChange={(staleness) => change({ staleness })}
        />
      </Field>
      <Field
        id="check-interval"
        label="Check the upstream"
        role="radiogroup"
        problem={problems.check_interval_s}
        help={clocks === undefined ? undefined : checkSentence(form.upstream, clocks)}
      >
        <Radio
          id="check-once"
          name="check"
          data-testid="check-once"
          label="Once per staleness period"
          isChecked={form.check === 'once'}
          isDisabled={disabled}
          onChange={choose('once')}
        />
        <Radio
          id="check-always"
          name="check"
          data-testid="check-always"
          label="On every pull"
          isChecked={form.check === 'always'}
          isDisabled={disabled}
          onChange={choose('always')}
        />
        <Radio
          id="check-interval-choice"
          name="check"
          data-testid="check-interval"
          label="Every"
          isChecked={form.check === 'interval'}
          isDisabled={disabled}
          onChange={choose('interval')}
          body={
            form.check === 'interval' ? (
              <AmountInput
                id="check-interval"
                label="Check interval"
                value={form.checkInterval}
                units={UNITS}
                invalid={problems.check_interval_s !== undefined}
                disabled={disabled}
                testId="check-interval-input"
                unitTestId="check-interval-unit"
                onChange={(checkInterval) => change({ checkInterval })}
              />
            ) : undefined
          }
        />
      </Field>
      <Field
        id="expiration"
        label="Expiration"
        problem={problems.expiration_s}
        help={clocks === undefined ? undefined : `${expirationSentence(clocks)} 0 keeps them for ever.`}
      >
        <AmountInput
          id="expiration"
          label="Expiration"
          value={form.expiration}
          units={UNITS}
          invalid={problems.expiration_s !== undefined}
          disabled={disabled}
          testId="remote-registry-expiration"
          unitTestId="remote-registry-expiration-unit"
          onChange={(expiration) => change({ expiration })}
        />
      </Field>
      {clocks === undefined ? null : <ClocksFigure clocks={clocks} />}
    </FormSection>
  );
}

function RulesSection({ editor, disabled }: SectionProps) {
  const { form, base, problems, change } = editor;
  const [open, setOpen] = useState(false);
  const fingerprints = base?.view.upstream_ca_fingerprints ?? [];
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
              {Object.entries(PREFETCH_LABELS).map(([value, label]) => (
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
      </ExpandableSection>
    </FormSection>
  );
}

function MistakesAlert({ count }: { readonly count: number }) {
  const title = count === 1 ? 'One field is not right yet' : `${count} fields are not right yet`;
  return (
    <Alert component="p" isInline variant="danger" title={title} data-testid="form-mistakes">
      Nothing has been saved. What is wrong stands at the {count === 1 ? 'field' : 'fields'}.
    </Alert>
  );
}

function invalidity(id: string, problem: string | undefined) {
  return {
    validated: problem === undefined ? ('default' as const) : ('error' as const),
    'aria-invalid': problem !== undefined,
    'aria-describedby': describedBy(id),
  };
}

/** Leads to the first field that is not right, each time that a save was refused for one. */
function useFocusOnMistake(refusals: number): RefObject<HTMLDivElement | null> {
  const form = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (refusals > 0) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [refusals]);
  return form;
}

/** The browser asks before it leaves a page with unsaved changes. */
function useWarningOnLeaving(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return undefined;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [unsaved]);
}
