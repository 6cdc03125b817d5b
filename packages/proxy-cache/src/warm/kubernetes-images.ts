import { isMap, isPair, isScalar, isSeq, parseAllDocuments } from 'yaml';

/** Most levels of a document that are looked into. */
const MAX_DEPTH = 64;

/**
 * The texts of all `image:` fields of Kubernetes manifests, in the order in which they stand, each once: of containers of
 * every kind, templates and custom resources alike; or what is wrong with the text, and where, when it is no YAML.
 */
export function kubernetesImages(text: string): readonly string[] | { readonly problem: string } {
  const images = new Set<string>();
  for (const document of parseAllDocuments(text, { logLevel: 'silent', uniqueKeys: false })) {
    const [error] = document.errors;
    if (error !== undefined) return { problem: error.message.split('\n')[0]?.replace(/:$/, '') ?? '' };
    collect(document.contents, 0, images);
  }
  return [...images];
}

/** By the nodes and not by the values: an alias is not followed, since what it stands for is found where it is. */
function collect(node: unknown, depth: number, images: Set<string>): void {
  if (depth > MAX_DEPTH) return;
  if (isMap(node)) for (const pair of node.items) collect(pair, depth + 1, images);
  if (isSeq(node)) for (const item of node.items) collect(item, depth + 1, images);
  if (!isPair(node)) return;
  const { key, value } = node;
  if (isScalar(key) && key.value === 'image' && isScalar(value) && typeof value.value === 'string') {
    if (value.value.trim() !== '') images.add(value.value.trim());
  } else {
    collect(value, depth + 1, images);
  }
}
