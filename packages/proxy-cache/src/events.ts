import type { Digest, OrganizationName, RepositoryName, UpstreamFailureClass } from '@breakwater/registry-core';

/** What a pull of a proxied repository was about. */
interface AboutContent {
  readonly organization: OrganizationName;
  readonly repository: RepositoryName;
  /** A tag or a digest. */
  readonly reference: string;
}

/** What a proxy cache tells its host. Ages are milliseconds. */
export interface ProxyCacheEvents {
  /** A pull was answered with content. */
  readonly pull: readonly [
    AboutContent & {
      readonly kind: 'manifest' | 'blob';
      readonly result: 'hit' | 'miss' | 'revalidated' | 'moved' | 'shielded';
    },
  ];
  /** A pull was answered from the cache without the upstream's confirmation. */
  readonly 'shielded-pull': readonly [
    AboutContent & {
      readonly digest: Digest;
      readonly ageMs: number;
      readonly failureClass: UpstreamFailureClass;
      readonly why: 'outage' | 'removed' | 'denied';
    },
  ];
  /** A check failed and the client did not see it. */
  readonly 'masked-error': readonly [AboutContent & { readonly failureClass: UpstreamFailureClass }];
  /** A failure of the upstream was passed on to the client. */
  readonly 'passed-error': readonly [AboutContent & { readonly failureClass: UpstreamFailureClass }];
  /** A request for content of an upstream is about to be sent. */
  readonly 'upstream-request': readonly [AboutContent & { readonly purpose: 'check' | 'manifest' | 'blob' | 'tags' }];
  readonly 'upstream-down': readonly [{ readonly origin: string; readonly failureClass: UpstreamFailureClass }];
  readonly 'upstream-recovered': readonly [{ readonly origin: string; readonly downForMs: number }];
  readonly 'integrity-failure': readonly [AboutContent];
  /** HEAD and GET of a tag disagreed about its digest; the bytes of GET count. */
  readonly 'head-get-mismatch': readonly [AboutContent];
}

export type ProxyCacheEventName = keyof ProxyCacheEvents;

/** Tells of events. */
export type Emit = <Name extends ProxyCacheEventName>(name: Name, ...payload: ProxyCacheEvents[Name]) => void;
