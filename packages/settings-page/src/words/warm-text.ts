/** What is asked for to be fetched: a list of images, or a Kubernetes manifest whose images are meant. */
export type WarmRequest = { readonly references: readonly string[] } | { readonly kubernetes_manifest: string };

/** A key of YAML or JSON at the begin of a line; names of images have their colon before a tag, never before a space. */
const MANIFEST = /^\s*(?:[{[]|-{3}|(?:- )?["']?\w+["']?:(?:\s|$))/m;

/** Reads what was typed or pasted. Pure. */
export function readWarmText(text: string): WarmRequest {
  if (MANIFEST.test(text)) return { kubernetes_manifest: text };
  const references = text
    .split(/[\s,]+/)
    .map((each) => each.trim())
    .filter((each) => each !== '');
  return { references };
}
