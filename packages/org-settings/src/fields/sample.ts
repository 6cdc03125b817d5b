import { parseRepositoryName, parseTag } from '@breakwater/registry-core';
import { z } from 'zod';
import type { SampleImage } from '../ports.js';
import type { Parsed } from './parse-body.js';

const RIGHT = 'must be repository:tag, for example library/alpine:latest, or be left out';

/** The image that a connection test asks for. */
export const sampleSchema = z
  .string()
  .max(512)
  .nullable()
  .meta({ description: 'repository:tag to ask the upstream for' });

/** Reads `sample` of the body of a connection test; null, "" and none at all ask for no image. Never throws. */
export function parseSample(body: unknown): Parsed<SampleImage | undefined> {
  const { sample } = (body ?? {}) as { readonly sample?: unknown };
  if (sample === undefined || sample === null || sample === '') return { ok: true, value: undefined };
  const text = typeof sample === 'string' ? sample : '';
  const colon = text.lastIndexOf(':');
  const repository = parseRepositoryName(text.slice(0, Math.max(0, colon)));
  const tag = parseTag(text.slice(colon + 1));
  if (repository !== undefined && tag !== undefined) return { ok: true, value: { repository, tag } };
  return { ok: false, problems: [{ field: 'sample', message: RIGHT }] };
}
