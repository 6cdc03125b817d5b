import { randomUUID } from 'node:crypto';
import { type Clock, formatReference } from '@breakwater/registry-core';
import { ApiError, type ApiOperation, type FieldProblem, invalidRequest, readFields } from '@breakwater/registry-http';
import { z } from 'zod';
import type { AuditLog } from '../ports.js';
import type { WarmTable } from '../postgres/warm-table.js';
import { type ImageOwner, imageOf, parseImageName } from '../warm/image-reference.js';
import { kubernetesImages } from '../warm/kubernetes-images.js';
import type { WarmImage, WarmProgress, WarmRequest } from '../warm/warm-request.js';
import type { Proxied } from './proxied.js';

/** What warming by the API leans on. */
export interface WarmOperationParts {
  readonly proxied: Proxied;
  readonly table: Pick<WarmTable, 'create' | 'find' | 'settle'>;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Hears of a new request. */
  readonly onRequested: () => void;
}

const MAX_IMAGES = 200;
const MAX_TEXT = 180_000;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;
const RIGHT =
  'must be repository[:tag][@digest] as it is pulled from this organization, or with the host of its upstream';

const warmBody = z.strictObject({
  references: z
    .array(z.string().max(512))
    .min(1)
    .max(MAX_IMAGES)
    .optional()
    .meta({ description: 'repository[:tag][@digest], without the organization or with the host of the upstream' }),
  kubernetes_manifest: z
    .string()
    .max(MAX_TEXT)
    .optional()
    .meta({ description: 'YAML or JSON; its image fields are taken as far as they are of the upstream' }),
  platforms: z
    .array(z.string().regex(PLATFORM, 'must be os/architecture[/variant], for example linux/amd64'))
    .min(1)
    .max(20)
    .optional()
    .meta({ description: 'of images for several platforms; absent = all of them' }),
});
const warmAnswer = z.strictObject({
  id: z.uuid(),
  references: z.array(z.string()),
  ignored: z.array(z.strictObject({ image: z.string(), why: z.string() })),
});
const count = z.int().min(0);
const progressAnswer = z.strictObject({
  id: z.uuid(),
  requested_by: z.string(),
  requested_at: z.iso.datetime(),
  finished: z.boolean(),
  counts: z.strictObject({ waiting: count, fetching: count, done: count, failed: count }),
  references: z.array(
    z.strictObject({
      reference: z.string(),
      state: z.enum(['waiting', 'fetching', 'done', 'failed']),
      missing: count.meta({ description: 'blobs and manifests that are known to be missing' }),
      missing_bytes: count,
      fetched_bytes: count,
      failure: z.strictObject({ reason: z.string(), message: z.string() }).nullable(),
    }),
  ),
});

/** Fetching images before somebody pulls them, and how far that is. */
export function warmOperations(home: string, parts: WarmOperationParts): readonly ApiOperation[] {
  const { proxied, table, audit, clock } = parts;
  return [
    {
      id: 'warmProxyCache',
      method: 'POST',
      path: `${home}/warm`,
      summary: 'Fetches images in the background before somebody pulls them.',
      right: 'write-settings',
      body: warmBody,
      answers: { 202: { description: 'begun; GET …/warm/{id} says how far it is', body: warmAnswer } },
      async handle({ organization, principal, body, request }) {
        const { upstream } = await proxied(organization);
        const fields = readFields(warmBody, body);
        const { images, ignored } = wanted(fields, { organization, upstream, ownHost: request.headers.host });
        const id = randomUUID();
        const { platforms } = fields;
        const references = images.map(imageText);
        const changes = { id, references };
        await audit.record(organization, { kind: 'proxy_cache_warm', performedBy: principal.name, changes });
        await table.create(id, { organization, upstream, requestedBy: principal.name, images, platforms }, clock.now());
        parts.onRequested();
        return { status: 202, body: { id, references, ignored } };
      },
    },
    {
      id: 'getProxyCacheWarm',
      method: 'GET',
      path: `${home}/warm/{warm_id}`,
      summary: 'Says how far the images of a request to warm are.',
      right: 'read-settings',
      answers: { 200: { description: 'each image, in the order of the request', body: progressAnswer } },
      async handle({ organization, path }) {
        await proxied(organization);
        const id = String(path['warm_id']).toLowerCase();
        await table.settle();
        const found = ID.test(id) ? await table.find(organization, id) : undefined;
        if (found !== undefined) return { status: 200, body: progressJson(found) };
        const detail = 'Not Found: this organization has no such request to warm; they are kept for a week';
        throw new ApiError('NOT_FOUND', { detail });
      },
    },
  ];
}

type WarmBody = z.output<typeof warmBody>;

interface Wanted {
  readonly images: readonly WarmImage[];
  readonly ignored: readonly { readonly image: string; readonly why: string }[];
}

/** @throws ApiError INVALID naming everything that is wrong */
function wanted({ references, kubernetes_manifest: text }: WarmBody, owner: ImageOwner): Wanted {
  const images = new Map<string, WarmImage>();
  const ignored: { image: string; why: string }[] = [];
  const problems: FieldProblem[] = [];
  if (references === undefined && text === undefined) {
    const message = 'is required, or kubernetes_manifest: a list of repository[:tag][@digest]';
    throw invalidRequest([{ field: 'references', message }]);
  }
  for (const [at, reference] of (references ?? []).entries()) {
    const image = ownImage(reference, owner);
    if ('problem' in image) problems.push({ field: `references[${at}]`, message: image.problem });
    else images.set(imageText(image), image);
  }
  for (const written of text === undefined ? [] : picked(text)) {
    const name = parseImageName(written);
    const image = name === undefined ? { problem: 'it is not the name of an image' } : imageOf(name, owner);
    if ('problem' in image) ignored.push({ image: written.slice(0, 512), why: image.problem });
    else images.set(imageText(image), image);
  }
  if (problems.length > 0) throw invalidRequest(problems);
  if (images.size === 0) {
    const why =
      ignored.length === 0
        ? 'it has no image field'
        : ignored
            .map((each) => `${each.image}: ${each.why}`)
            .slice(0, 3)
            .join('; ');
    throw invalidRequest([{ field: 'kubernetes_manifest', message: `has no image of ${owner.upstream}: ${why}` }]);
  }
  if (images.size > MAX_IMAGES) {
    const message = `has ${images.size} images; at most ${MAX_IMAGES} can be warmed with one request`;
    throw invalidRequest([{ field: 'kubernetes_manifest', message }]);
  }
  return { images: [...images.values()], ignored };
}

/** What stands in `references` is a repository of the organization unless it names a host. */
function ownImage(text: string, owner: ImageOwner): WarmImage | { readonly problem: string } {
  const name = parseImageName(text);
  if (name === undefined) return { problem: `${RIGHT}; it is ${JSON.stringify(text.slice(0, 80))}` };
  if (name.host === undefined)
    return imageOf({ ...name, host: OWN, path: `${owner.organization}/${name.path}` }, { ...owner, ownHost: OWN });
  const image = imageOf(name, owner);
  return 'problem' in image ? { problem: `${RIGHT}; ${image.problem}` } : image;
}

/** Stands for this registry in names without a host. */
const OWN = 'own.invalid';

/** @throws ApiError INVALID saying where the text is no YAML */
function picked(text: string): readonly string[] {
  const images = kubernetesImages(text);
  if (!('problem' in images)) return images;
  throw invalidRequest([{ field: 'kubernetes_manifest', message: `must be YAML or JSON: ${images.problem}` }]);
}

function imageText({ repository, reference }: WarmImage): string {
  return `${repository}${reference.kind === 'tag' ? ':' : '@'}${formatReference(reference)}`;
}

function progressJson({ id, requestedBy, requestedAt, images }: WarmRequest): z.input<typeof progressAnswer> {
  const inState = (state: WarmProgress['state']) => images.filter((image) => image.state === state).length;
  const counts = {
    waiting: inState('waiting'),
    fetching: inState('fetching'),
    done: inState('done'),
    failed: inState('failed'),
  };
  return {
    id,
    requested_by: requestedBy,
    requested_at: new Date(requestedAt).toISOString(),
    finished: counts.waiting + counts.fetching === 0,
    counts,
    references: images.map((image) => ({
      reference: imageText(image),
      state: image.state,
      missing: image.missing,
      missing_bytes: image.missingBytes,
      fetched_bytes: image.fetchedBytes,
      failure: image.failure ?? null,
    })),
  };
}
