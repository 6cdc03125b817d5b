import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { digestOf } from './digest.js';
import { MAX_MANIFEST_BYTES, type Manifest, manifestReferences, parseManifest } from './manifest.js';
import { DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_ACCEPT, OCI_INDEX, OCI_MANIFEST } from './media-types.js';

const SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

function descriptor(content: string, mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'): object {
  return { mediaType, digest: digestOf(Buffer.from(content)), size: content.length };
}

const CONFIG = descriptor('config', 'application/vnd.oci.image.config.v1+json');
const IMAGE = { schemaVersion: 2, config: CONFIG, layers: [descriptor('one'), descriptor('two')] };
const INDEX = { schemaVersion: 2, manifests: [{ ...descriptor('child', OCI_MANIFEST), platform: { os: 'linux' } }] };

function parse(body: unknown, contentType?: string): Manifest {
  return parseManifest(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), contentType);
}

function refusal(body: unknown, contentType?: string): { code?: string; message?: string } {
  try {
    parse(body, contentType);
    return {};
  } catch (error) {
    return error as { code: string; message: string };
  }
}

describe('an image manifest', () => {
  test.each([OCI_MANIFEST, DOCKER_MANIFEST])('is read as %s', (mediaType) => {
    expect(parse({ ...IMAGE, mediaType }, mediaType)).toEqual({
      kind: 'image',
      mediaType,
      config: CONFIG,
      layers: IMAGE.layers,
    });
  });

  test('needs its config and its layers', () => {
    const manifest = parse(IMAGE, OCI_MANIFEST);
    expect(manifestReferences(manifest)).toEqual(
      [CONFIG, ...IMAGE.layers].map((each) => ({ kind: 'blob', descriptor: each })),
    );
  });

  test('keeps its subject, which it does not need', () => {
    const subject = descriptor('subject', OCI_MANIFEST);
    const manifest = parse({ ...IMAGE, subject, artifactType: 'text/x', annotations: { Size: '1' } }, OCI_MANIFEST);
    expect(manifest).toMatchObject({ subject });
    expect(manifestReferences(manifest).map((each) => each.descriptor)).not.toContainEqual(subject);
  });
});

describe('an index', () => {
  test.each([OCI_INDEX, DOCKER_LIST])('is read as %s', (mediaType) => {
    const manifest = parse(INDEX, mediaType);
    expect(manifest).toMatchObject({ kind: 'index', mediaType });
    expect(manifestReferences(manifest)).toMatchObject([
      { kind: 'manifest', descriptor: descriptor('child', OCI_MANIFEST) },
    ]);
  });

  test('may be empty', () => {
    expect(parse({ schemaVersion: 2, manifests: [] }, OCI_INDEX)).toMatchObject({ manifests: [] });
  });
});

describe('the media type', () => {
  test.each([
    undefined,
    '',
    'text/plain',
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/octet-stream',
  ])('comes from the body when it was sent as %j', (contentType) => {
    expect(parse({ ...IMAGE, mediaType: DOCKER_MANIFEST }, contentType)).toMatchObject({ mediaType: DOCKER_MANIFEST });
    expect(parse(IMAGE, contentType)).toMatchObject({ mediaType: OCI_MANIFEST });
    expect(parse(INDEX, contentType)).toMatchObject({ mediaType: OCI_INDEX });
  });

  test('is read without parameters and in any case', () => {
    expect(parse(IMAGE, `${OCI_MANIFEST.toUpperCase()} ; charset=utf-8`)).toMatchObject({ mediaType: OCI_MANIFEST });
  });

  test('every one that is asked for is read', () => {
    for (const mediaType of MANIFEST_ACCEPT.split(', ')) {
      const body = mediaType === OCI_INDEX || mediaType === DOCKER_LIST ? INDEX : IMAGE;
      expect(parse(body, mediaType)).toMatchObject({ mediaType });
    }
  });

  test.each([
    ['two different ones', { ...IMAGE, mediaType: DOCKER_MANIFEST }, OCI_MANIFEST, 'sent as'],
    ['an image sent as an index', IMAGE, OCI_INDEX, 'both'],
    ['an index sent as an image', INDEX, OCI_MANIFEST, 'both'],
    ['an index that says it is an image', { ...INDEX, mediaType: OCI_MANIFEST }, undefined, 'both'],
    ['an image and an index in one', { ...IMAGE, ...INDEX }, undefined, 'both'],
    ['an image and an index in one, sent as an image', { ...IMAGE, ...INDEX }, OCI_MANIFEST, 'both'],
    ['nothing to tell it by', { schemaVersion: 2, layers: [] }, undefined, 'nowhere'],
    ['one that is none of a manifest', IMAGE, 'text/html', 'is not the media type of a manifest'],
    ['one in the body that is none', { ...IMAGE, mediaType: 'text/html' }, OCI_MANIFEST, 'is not the media type'],
    ['one that is no string', { ...IMAGE, mediaType: 1 }, OCI_MANIFEST, '"mediaType" is not a string'],
    ['schema 1', { ...IMAGE, schemaVersion: 1 }, undefined, 'schema 1'],
    ['schema 1 by its type', IMAGE, SCHEMA_1, 'schema 1'],
    ['schema 1 by the type in the body', { ...IMAGE, mediaType: SCHEMA_1 }, 'text/plain', 'schema 1'],
  ])('is refused: %s', (_what, body, contentType, message) => {
    expect(refusal(body, contentType)).toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringContaining(message) as never as string,
    });
  });
});

describe('a manifest is refused', () => {
  const digest = digestOf(Buffer.from('x'));
  test.each([
    ['no object', [], 'the manifest is not an object'],
    ['null', null, 'the manifest is not an object'],
    ['no schema version', { ...IMAGE, schemaVersion: undefined }, '"schemaVersion" 2'],
    ['a schema version as text', { ...IMAGE, schemaVersion: '2' }, '"schemaVersion" 2'],
    ['no config', { ...IMAGE, config: undefined }, '"config" is not an object'],
    ['no layers', { ...IMAGE, layers: undefined }, '"layers" is not a list'],
    ['layers that are no list', { ...IMAGE, layers: {} }, '"layers" is not a list'],
    [
      'a digest of an unknown algorithm',
      { ...IMAGE, layers: [{ mediaType: 'x', size: 1, digest: 'md5:0' }] },
      'layers[0].digest',
    ],
    [
      'a digest that is a path',
      { ...IMAGE, config: { mediaType: 'x', size: 1, digest: '../../etc' } },
      'config.digest',
    ],
    ['no digest', { ...IMAGE, config: { mediaType: 'x', size: 1 } }, 'config.digest'],
    ['a negative size', { ...IMAGE, config: { mediaType: 'x', size: -1, digest } }, 'config.size'],
    ['half a byte', { ...IMAGE, config: { mediaType: 'x', size: 0.5, digest } }, 'config.size'],
    ['a size no number can hold', { ...IMAGE, config: { mediaType: 'x', size: 2 ** 53, digest } }, 'config.size'],
    ['a size as text', { ...IMAGE, config: { mediaType: 'x', size: '1', digest } }, 'config.size'],
    ['a descriptor without a type', { ...IMAGE, config: { size: 1, digest } }, 'config.mediaType'],
    ['a broken subject', { ...IMAGE, subject: {} }, 'subject.digest'],
    ['1001 layers', { ...IMAGE, layers: Array(1_001).fill(descriptor('x')) }, '"layers" has more than 1000 entries'],
  ])('with %s', (_what, body, message) => {
    expect(refusal(body, OCI_MANIFEST)).toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringContaining(message) as never as string,
    });
  });

  test('with 1001 entries of an index, and not with 1000', () => {
    const entry = descriptor('child', OCI_MANIFEST);
    expect(parse({ ...INDEX, manifests: Array(1_000).fill(entry) }, OCI_INDEX)).toMatchObject({ kind: 'index' });
    expect(refusal({ ...INDEX, manifests: Array(1_001).fill(entry) }, OCI_INDEX).message).toContain('1000 entries');
    expect(parse({ ...IMAGE, layers: Array(1_000).fill(entry) }, OCI_MANIFEST)).toMatchObject({ kind: 'image' });
  });

  test('one byte above 4 MiB, and not at 4 MiB', () => {
    const text = JSON.stringify(IMAGE);
    expect(parse(text.padEnd(MAX_MANIFEST_BYTES), OCI_MANIFEST)).toMatchObject({ kind: 'image' });
    expect(refusal(text.padEnd(MAX_MANIFEST_BYTES + 1), OCI_MANIFEST).message).toContain('larger than 4194304 bytes');
  });

  test.each([
    ['a second digest', `"digest":"${digest}"`, `"digest":"${digest}","digest":"${digest}"`],
    ['a digest in another case', `"digest":"${digest}"`, `"digest":"${digest}","Digest":"${digest}"`],
    ['a size with a long s', '"size":1', '"size":1,"\u017fize":2'],
  ])('with %s', (_what, found, replacement) => {
    const text = JSON.stringify({ ...IMAGE, config: { mediaType: 'x', digest, size: 1 } });
    expect(text).toContain(found);
    expect(refusal(text.replace(found, replacement), OCI_MANIFEST)).toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  test('with a message that shows little of what was sent, and on one line', () => {
    const { message = '' } = refusal(IMAGE, `text/${'x'.repeat(10_000)}\n`);
    expect(message.length).toBeLessThan(250);
    expect(message).not.toContain('\n');
  });
});

test('whatever the bytes, a manifest comes out or MANIFEST_INVALID', () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const body = fc.record(
    {
      schemaVersion: fc.constantFrom(1, 2),
      mediaType: value,
      config: value,
      layers: value,
      manifests: value,
      subject: value,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(body, fc.constantFrom(undefined, OCI_MANIFEST, OCI_INDEX), (sent, contentType) => {
      const { code } = refusal(sent, contentType);
      if (code !== undefined) expect(code).toBe('MANIFEST_INVALID');
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(() => parseManifest(bytes, undefined)).toThrow(
        expect.objectContaining({ code: 'MANIFEST_INVALID' }) as never,
      );
    }),
  );
});
