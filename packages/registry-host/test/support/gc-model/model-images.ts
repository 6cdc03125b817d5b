import { OCI_MANIFEST } from '@breakwater/registry-core';
import { type BuiltContent, type BuiltImage, buildImage, buildIndex, manifestOf } from '@breakwater/test-kit';

/** What a manifest needs and what it is about, as whoever built it knows it. */
export interface ModelManifest {
  readonly digest: string;
  /** Manifests below it, each for a platform; of an index only. */
  readonly children: readonly string[];
  readonly blobs: readonly string[];
  readonly subject: string | undefined;
  /** Of an image. */
  readonly platform: string | undefined;
}

const base = buildImage({ seed: 'gc-model base', layers: 1 });

/** An image with a layer of its own and one that all of them share. */
function sharing(seed: string, architecture: string): BuiltImage {
  const own = buildImage({ seed: `gc-model ${seed}`, layers: 1, platform: { os: 'linux', architecture } });
  const layers = [...base.layers, ...own.layers];
  const manifest = manifestOf(OCI_MANIFEST, { schemaVersion: 2, mediaType: OCI_MANIFEST, config: own.config, layers });
  const shared = base.layers.flatMap(({ digest }) => {
    const bytes = base.blobs.get(digest);
    return bytes === undefined ? [] : [[digest, bytes] as const];
  });
  return { ...own, manifest, manifests: [manifest], layers, blobs: new Map([...own.blobs, ...shared]) };
}

const one = sharing('one', 'amd64');
const two = sharing('two', 'amd64');
const other = sharing('other', 'arm64');
const signature = buildImage({ seed: 'gc-model signature', layers: 1, subject: one.manifest });

/** What the upstreams have: images that share layers, indexes that share children, a signature. */
export const MODEL_IMAGES: readonly BuiltContent[] = [
  one,
  two,
  sharing('three', 'amd64'),
  buildIndex([one, other]),
  buildIndex([two, other]),
  signature,
];

interface ManifestBody {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
  readonly subject?: { readonly digest: string };
}

const platforms = new Map([one, two, other, signature].map((image) => [image.manifest.digest as string, image]));

/** Every manifest there is, by its digest. */
export const MODEL_MANIFESTS: ReadonlyMap<string, ModelManifest> = new Map(
  MODEL_IMAGES.flatMap(({ manifests }) =>
    manifests.map(({ digest, bytes }): [string, ModelManifest] => {
      const body = JSON.parse(bytes.toString()) as ManifestBody;
      const children = (body.manifests ?? []).map((child) => child.digest);
      const blobs = [...(body.config === undefined ? [] : [body.config]), ...(body.layers ?? [])];
      const architecture = platforms.get(digest)?.platform.architecture ?? 'amd64';
      return [
        digest,
        {
          digest,
          children,
          blobs: blobs.map((blob) => blob.digest),
          subject: body.subject?.digest,
          platform: children.length === 0 ? architecture : undefined,
        },
      ];
    }),
  ),
);
