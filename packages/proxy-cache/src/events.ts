import type {
  Digest,
  OrganizationName,
  OutageClass,
  RepositoryName,
  UpstreamFailureClass,
} from '@breakwater/registry-core';

/** What a pull of a proxied repository was about. */
interface AboutContent {
  readonly organization: OrganizationName;
  readonly repository: RepositoryName;
  /** A tag or a digest, of referrers that of their subject; empty for a list of tags. */
  readonly reference: string;
}

/** What an event that a request led to says of it. Absent when nobody's request did: a check ahead or at a window's end. */
export interface RequestFacts {
  /** The id under which the request is logged, and which its error answer names. */
  readonly requestId?: string;
}

/** A failure of the upstream, and whom it met. */
interface UpstreamFailure extends AboutContent, RequestFacts {
  readonly failureClass: UpstreamFailureClass;
  /** The upstream's own HTTP status, if it answered. */
  readonly upstreamStatus?: number;
}

/** That an upstream is down, and whom it meets. */
interface UpstreamOutage {
  readonly origin: string;
  readonly organizations: readonly OrganizationName[];
  readonly failureClass: OutageClass;
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
    UpstreamFailure & {
      /** Absent for a list, which has none. */
      readonly digest?: Digest;
      readonly ageMs: number;
      /** `incomplete`: the previous image, because the rest of the newest one cannot be had. */
      readonly why: 'outage' | 'removed' | 'denied' | 'incomplete';
    },
  ];
  /** A check failed and the client did not see it. Told once a check, however many pulls waited for it. */
  readonly 'masked-error': readonly [UpstreamFailure & { readonly ageMs: number }];
  /** A failure of the upstream was passed on to the client. `ageMs` is that of a copy which has lapsed. */
  readonly 'passed-error': readonly [UpstreamFailure & { readonly ageMs?: number }];
  /** A request for content of an upstream is about to be sent. */
  readonly 'upstream-request': readonly [
    AboutContent & { readonly purpose: 'check' | 'manifest' | 'blob' | 'tags' | 'referrers' },
  ];
  /**
   * An origin became known to be down, for the organizations that have something cached of it: as their registry or as that
   * registry's token server.
   */
  readonly 'upstream-down': readonly [UpstreamOutage];
  /** It is not down any more. `failureClass` is what it was down with last. */
  readonly 'upstream-recovered': readonly [UpstreamOutage & { readonly downForMs: number }];
  /** An upstream that is up forbade to ask for a while. Without `organization` it is all that ask it anonymously. */
  readonly 'rate-limited': readonly [
    {
      readonly origin: string;
      readonly organization?: OrganizationName;
      readonly failureClass: 'rate_limited';
      /** Absent when it did not say for how long. */
      readonly retryAfterMs?: number;
    },
  ];
  /** The upstream refused an organization's credentials. Told once per version of them and half a minute. */
  readonly 'credentials-rejected': readonly [UpstreamFailure & { readonly failureClass: 'denied' }];
  /** The upstream says that an organization's rate limit is nearly spent. */
  readonly 'rate-limit-low': readonly [
    {
      readonly organization: OrganizationName;
      readonly failureClass: 'rate_limited';
      readonly origin: string;
      readonly remaining: number;
      readonly limit: number;
    },
  ];
  /** The rest of an image was not fetched in the background, because it is larger than the organization allows. */
  readonly 'prefetch-limited': readonly [AboutContent & { readonly bytes: number; readonly maxBytes: number }];
  /** Something was fetched in the background. */
  readonly prefetched: readonly [AboutContent & { readonly kind: 'manifest' | 'blob'; readonly bytes: number }];
  /** The background has given up on something. */
  readonly 'prefetch-failed': readonly [UpstreamFailure];
  /** The upstream sent content that does not match its digest. It was neither stored nor served whole. */
  readonly 'integrity-failure': readonly [AboutContent & RequestFacts & { readonly failureClass: 'integrity' }];
  /**
   * What a client got could not be kept: our own disk or database failed, or the quota of the organization has no room. The
   * next pull fetches it again.
   */
  readonly 'not-stored': readonly [
    AboutContent & RequestFacts & { readonly failureClass: 'storage' | 'database' | 'overload' | 'quota' },
  ];
  /** A download was refused to a client, because none of those under way ended in time. What is cached is served. */
  readonly 'download-shed': readonly [{ readonly organization: OrganizationName }];
  /** A request to an upstream failed in passing and is sent again. */
  readonly 'upstream-retry': readonly [{ readonly origin: string }];
  /** HEAD and GET of a tag disagreed about its digest; the bytes of GET count. */
  readonly 'head-get-mismatch': readonly [AboutContent];
}

export type ProxyCacheEventName = keyof ProxyCacheEvents;

/** Tells of events. */
export type Emit = <Name extends ProxyCacheEventName>(name: Name, ...payload: ProxyCacheEvents[Name]) => void;

/** Whether anybody listens: asked before the payload of an event is made on the path of every pull. */
export type IsHeard = (name: ProxyCacheEventName) => boolean;

/** Gives the id of a request, which is made only when it is asked for. */
export type RequestIdSource = () => string;

/** The request of an event, for whoever may have none. */
export function requestFacts(requestId: RequestIdSource | undefined): RequestFacts {
  return requestId === undefined ? {} : { requestId: requestId() };
}
