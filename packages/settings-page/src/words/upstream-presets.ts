/** A registry that many proxy, and what is worth knowing about it. */
interface UpstreamPreset {
  readonly upstream: string;
  readonly name: string;
  readonly hint: string;
}

/** Well-known registries, under the names that the settings want. */
export const UPSTREAM_PRESETS: readonly UpstreamPreset[] = [
  {
    upstream: 'docker.io',
    name: 'Docker Hub',
    hint: 'Docker Hub limits pulls without an account; give a username and an access token. Checks cost nothing there.',
  },
  { upstream: 'quay.io', name: 'Quay.io', hint: 'Public repositories need no credentials; a robot account is enough.' },
  {
    upstream: 'ghcr.io',
    name: 'GitHub',
    hint: 'Public packages need no credentials; for private ones give a token with read:packages.',
  },
  { upstream: 'registry.k8s.io', name: 'Kubernetes', hint: 'Needs no credentials.' },
  { upstream: 'mcr.microsoft.com', name: 'Microsoft', hint: 'Needs no credentials.' },
  { upstream: 'public.ecr.aws', name: 'Amazon ECR Public', hint: 'Needs no credentials.' },
  {
    upstream: 'registry.gitlab.com',
    name: 'GitLab',
    hint: 'For private projects give a deploy token with read_registry.',
  },
  { upstream: 'registry.redhat.io', name: 'Red Hat', hint: 'Needs the credentials of a registry service account.' },
  { upstream: 'nvcr.io', name: 'NVIDIA NGC', hint: 'The username is $oauthtoken, the password an API key.' },
];

/** What is worth knowing about an upstream, if it is a well-known one. */
export function presetHint(upstream: string): string | undefined {
  const host = upstream.trim().split('/')[0];
  return UPSTREAM_PRESETS.find((each) => each.upstream === host)?.hint;
}
