import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { type ApiFailure, isApiFailure } from '../api/api-failure.js';
import { settingsKey } from '../api/query-keys.js';
import type { SettingsPageApi } from '../api/settings-page-api.js';
import type { SettingsBody, StoredSettings } from '../api/shapes.js';
import { useNotices } from '../parts/notices.js';
import {
  changesOf,
  creationBody,
  FIELD_LABELS,
  type FieldName,
  type FieldProblems,
  formFrom,
  isChanged,
  problemsOf,
  rebase,
  type SettingsForm,
} from './settings-form.js';

/** What the form can do, and how it stands. */
export interface SettingsEditor {
  readonly form: SettingsForm;
  /** What the form began with; `undefined` for a new configuration. */
  readonly base: StoredSettings | undefined;
  readonly changed: boolean;
  readonly problems: FieldProblems;
  /** How often a save was refused for fields: whoever shows them leads the reader there. */
  readonly refusals: number;
  readonly saving: boolean;
  readonly deleting: boolean;
  /** Why the last save was refused, unless it was for fields, which stand in `problems`. */
  readonly failure: ApiFailure | undefined;
  /** What somebody else has stored meanwhile, or that they deleted it; the form keeps what was typed. */
  readonly theirs: StoredSettings | 'deleted' | undefined;
  change(part: Partial<SettingsForm>): void;
  /** Saves; a new configuration is tried out at its upstream first, unless that is to be skipped. */
  save(options?: { readonly untried?: boolean }): void;
  remove(): void;
  /** The body of a save, for a connection test; `undefined` when what is typed makes no sense, which then is shown. */
  trial(): SettingsBody | undefined;
  discard(): void;
  takeTheirs(): void;
  keepMine(): void;
}

interface Attempt {
  readonly failure?: ApiFailure;
  readonly problems?: FieldProblems;
}

/** Edits what is stored. While nothing is typed the form follows what is stored; what is typed is never overwritten. */
export function useSettingsEditor(
  api: SettingsPageApi,
  organization: string,
  stored: StoredSettings | undefined,
): SettingsEditor {
  const queries = useQueryClient();
  const notices = useNotices();
  const [base, setBase] = useState(stored);
  const [form, setForm] = useState(() => formFrom(stored?.view));
  const [theirs, setTheirs] = useState<StoredSettings | 'deleted'>();
  const [attempt, setAttempt] = useState<Attempt>({});
  const [shown, setShown] = useState(false);
  const [refusals, setRefusals] = useState(0);
  const changed = isChanged(form, base?.view);

  const start = (from: StoredSettings | undefined, next: SettingsForm = formFrom(from?.view)) => {
    setBase(from);
    setForm(next);
    setTheirs(undefined);
    setAttempt({});
    setShown(false);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what is stored sets it off, not what is typed
  useEffect(() => {
    if (!changed && stored?.etag !== base?.etag) start(stored);
  }, [stored]);

  const saving = useMutation({
    async mutationFn({ untried }: { readonly untried: boolean }): Promise<StoredSettings | undefined> {
      if (base !== undefined) return api.updateSettings(organization, changesOf(form, base.view), base.etag);
      const body = creationBody(form);
      if (!untried) await api.validateSettings(organization, body);
      await api.createSettings(organization, body);
      return api.settings(organization);
    },
    onSuccess(saved) {
      queries.setQueryData(settingsKey(organization), saved ?? null);
      start(saved);
      notices.succeeded(base === undefined ? 'Successfully configured proxy cache' : 'Your changes have been saved');
      return queries.invalidateQueries({ queryKey: [organization] });
    },
    onError: (error) => refuse(error),
  });
  const deleting = useMutation({
    mutationFn: () => api.deleteSettings(organization, base?.etag ?? ''),
    onSuccess() {
      queries.setQueryData(settingsKey(organization), null);
      start(undefined);
      notices.succeeded('Successfully deleted proxy cache configuration');
      return queries.invalidateQueries({ queryKey: [organization] });
    },
    onError: (error) => refuse(error),
  });

  async function refuse(error: unknown): Promise<void> {
    const failure = isApiFailure(error) ? error : undefined;
    const isConflict =
      failure?.status === 412 || (base !== undefined && failure?.status === 404) || failure?.detail === ALREADY_THERE;
    if (isConflict) {
      const now = await api.settings(organization).then(
        (found) => ({ found }),
        () => undefined,
      );
      if (now !== undefined) {
        queries.setQueryData(settingsKey(organization), now.found ?? null);
        setTheirs(now.found ?? 'deleted');
        setAttempt({});
        return;
      }
    }
    const problems = fieldProblems(failure);
    if (Object.keys(problems).length > 0) setRefusals((before) => before + 1);
    const elsewhere = failure?.problems.length !== Object.keys(problems).length || failure?.problems.length === 0;
    setAttempt({ problems, ...(failure !== undefined && elsewhere ? { failure } : {}) });
  }

  const problems = { ...attempt.problems, ...(shown ? problemsOf(form, base?.view) : {}) };
  return {
    form,
    base,
    changed,
    problems,
    refusals,
    saving: saving.isPending,
    deleting: deleting.isPending,
    failure: attempt.failure,
    theirs,
    change(part) {
      setForm((current) => ({ ...current, ...part }));
      setAttempt({});
    },
    save({ untried = false } = {}) {
      setShown(true);
      setAttempt({});
      if (Object.keys(problemsOf(form, base?.view)).length === 0) saving.mutate({ untried });
      else setRefusals((before) => before + 1);
    },
    remove: () => deleting.mutate(),
    trial() {
      if (Object.keys(problemsOf(form, base?.view)).length === 0) {
        return base === undefined ? creationBody(form) : changesOf(form, base.view);
      }
      setShown(true);
      return undefined;
    },
    discard: () => start(stored),
    takeTheirs: () => start(theirs === 'deleted' ? undefined : theirs),
    keepMine() {
      if (theirs === 'deleted') start(undefined, { ...form, removeCredentials: false, removeCertificates: false });
      else if (theirs !== undefined) start(theirs, rebase(form, base?.view, theirs.view));
    },
  };
}

/** Quay's text, which programs compare. */
const ALREADY_THERE = 'Proxy Cache Configuration already exists';

function fieldProblems(failure: ApiFailure | undefined): FieldProblems {
  const known = (failure?.problems ?? []).filter(
    (problem): problem is { field: FieldName; message: string } => (problem.field ?? '') in FIELD_LABELS,
  );
  return Object.fromEntries(known.map(({ field, message }) => [field, message]));
}
