import { FAILURE_CLASSES, type FailureClass } from '@breakwater/registry-core';
import type { ApiAnswer, ApiOperation, DescribeError } from '@breakwater/registry-http';
import { z } from 'zod';
import { isSettingsError, SETTINGS_ERRORS } from '../errors.js';
import { bodySchema } from '../fields/parse-body.js';
import { sampleSchema } from '../fields/sample.js';
import { NOT_CONFIGURED, notConfigured, settingsSchema, settingsView } from '../fields/settings-view.js';
import type { SettingsEditor } from '../settings-editor.js';
import type { AuditTrail, StoredSettings } from '../settings-store.js';
import { entityTag, parseIfMatch } from './if-match.js';
import { logsOperation } from './logs-operation.js';

const FAILURE_CLASS_NAMES = Object.keys(FAILURE_CLASSES) as FailureClass[];
const CONFIG_PATH = '/api/v1/organization/{orgname}/proxycache';

const IF_MATCH = { 'If-Match': 'the ETag of the settings that are meant: 412 when they have changed since' };
const testAnswer = z.strictObject({
  ok: z.boolean().meta({ description: 'no step failed' }),
  steps: z.array(
    z.strictObject({
      step: z.enum(['name', 'address', 'connection', 'tls', 'registry', 'token', 'sample', 'rate_limit']),
      ok: z.boolean().nullable().meta({ description: 'null = not taken' }),
      reason: z
        .enum([...FAILURE_CLASS_NAMES, 'not_reached', 'not_needed', 'not_asked', 'not_told'])
        .nullable()
        .meta({ description: 'a failure class, or why the step was not taken' }),
    }),
  ),
  rate_limit: z.strictObject({ limit: z.int(), remaining: z.int() }).nullable(),
});

/** The settings API. Bodies are read by the editor, which knows what is stored. */
export function settingsOperations(editor: SettingsEditor, audit: Pick<AuditTrail, 'list'>): readonly ApiOperation[] {
  return [
    {
      id: 'getProxyCacheConfig',
      method: 'GET',
      path: CONFIG_PATH,
      summary: 'Shows the proxy cache settings of an organization.',
      right: 'read-settings',
      answers: {
        200: { description: 'the settings, and their version as ETag', body: z.union([settingsSchema, notConfigured]) },
      },
      async handle({ organization }) {
        const stored = await editor.read(organization);
        return stored === undefined ? { status: 200, body: NOT_CONFIGURED } : whole(stored);
      },
    },
    {
      id: 'createProxyCacheConfig',
      method: 'POST',
      path: CONFIG_PATH,
      summary: 'Makes an organization a proxy organization.',
      right: 'write-settings',
      body: bodySchema.required({ upstream_registry: true }),
      answers: { 201: { description: 'created', body: z.literal('Created') } },
      async handle({ organization, principal, body }) {
        await editor.create(organization, body, principal.name);
        return { status: 201, body: 'Created' };
      },
    },
    {
      id: 'updateProxyCacheConfig',
      method: 'PUT',
      path: CONFIG_PATH,
      summary:
        'Changes the settings that the body names; If-Match keeps two administrators from overwriting each other.',
      right: 'write-settings',
      headers: IF_MATCH,
      body: bodySchema,
      answers: { 200: { description: 'all settings, and their new version as ETag', body: settingsSchema } },
      async handle({ organization, principal, request, body }) {
        const isMeant = parseIfMatch(request.headers['if-match']);
        return whole(await editor.update(organization, body, isMeant, principal.name));
      },
    },
    {
      id: 'deleteProxyCacheConfig',
      method: 'DELETE',
      path: CONFIG_PATH,
      summary: 'Stops proxying at once; what is cached is left to garbage collection.',
      right: 'write-settings',
      headers: IF_MATCH,
      answers: { 201: { description: 'deleted', body: z.literal('Deleted') } },
      async handle({ organization, principal, request }) {
        await editor.remove(organization, parseIfMatch(request.headers['if-match']), principal.name);
        return { status: 201, body: 'Deleted' };
      },
    },
    {
      id: 'validateProxyCacheConfig',
      method: 'POST',
      path: '/api/v1/organization/{orgname}/validateproxycache',
      summary: 'Asks an upstream whether it can be used, and saves nothing.',
      right: 'write-settings',
      body: bodySchema.required({ upstream_registry: true }),
      answers: { 202: { description: 'it can', body: z.enum(['Valid', 'Anonymous']) } },
      async handle({ organization, body }) {
        const outcome = await editor.validate(organization, body);
        return { status: 202, body: outcome === 'valid' ? 'Valid' : 'Anonymous' };
      },
    },
    {
      id: 'testProxyCacheConnection',
      method: 'POST',
      path: `${CONFIG_PATH}/test`,
      summary: 'Tries an upstream step by step with the settings as the body would make them, and saves nothing.',
      right: 'write-settings',
      body: bodySchema.extend({ sample: sampleSchema }),
      answers: { 200: { description: 'how far it got', body: testAnswer } },
      async handle({ organization, body }) {
        const { ok, steps, rateLimit } = await editor.test(organization, body);
        return { status: 200, body: { ok, steps, rate_limit: rateLimit ?? null } };
      },
    },
    logsOperation(audit),
  ];
}

/** How refusals of the settings are answered: `error_message` is Quay's own text, which programs compare. */
export const describeSettingsError: DescribeError = (error) => {
  if (!isSettingsError(error)) return undefined;
  const { status, type, message } = SETTINGS_ERRORS[error.code];
  const { detail, headers, problems, reason } = error;
  return {
    status,
    type,
    detail,
    message: error.code === 'INVALID' ? detail : message,
    headers,
    extra: { ...(problems.length === 0 ? {} : { problems }), ...(reason === undefined ? {} : { reason }) },
  };
};

function whole({ values, sealed, version }: StoredSettings): ApiAnswer {
  return { status: 200, body: settingsView(values, sealed !== undefined), headers: { etag: entityTag(version) } };
}
