import { parseRepositoryName, parseTag } from '@breakwater/registry-core';
import { z } from 'zod';
import type { SampleImage } from '../ports.js';
import type { Parsed } from './parse-body.js';

const RIGHT = 'must be repository:tag, for example library/alpine:latest, or be left out';

/** The image that a connection test asks for; null, "" and none at all ask for no image. */
export const sampleSchema = z
  .string({ error: RIGHT })
  .max(512, RIGHT)
  .nullable()
  .transform((text, context): SampleImage | undefined => {
    if (text === null || text === '') return undefined;
    const colon = text.lastIndexOf(':');
    const repository = parseRepositoryName(text.slice(0, Math.max(0, colon)));
    const tag = parseTag(text.slice(colon + 1));
    if (repository !== undefined && tag !== undefined) return { repository, tag };
    context.addIssue({ code: 'custom', message: RIGHT });
    return z.NEVER;
  })
  .optional()
  .meta({ description: 'repository:tag to ask the upstream for' });

/** Reads `sample` of the body of a connection test. Never throws. */
export function parseSample(body: unknown): Parsed<SampleImage | undefined> {
  const { sample } = (body ?? {}) as { readonly sample?: unknown };
  const parsed = sampleSchema.safeParse(sample);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, problems: parsed.error.issues.slice(0, 1).map(({ message }) => ({ field: 'sample', message })) };
}
