import type { Breakage, BuiltContent, FaultUpstream, UpstreamAuth } from '@breakwater/test-kit';
import type { Names } from './names.js';

/**
 * What a client gets. `200`: confirmed by the upstream, or not in need of it. `200s`: from the cache, with a warning.
 * `200m`: fetched for this pull. `cut`: the connection breaks before the announced end. `404m`, `404b` and `404n` are
 * MANIFEST_UNKNOWN, BLOB_UNKNOWN and NAME_UNKNOWN. `=`: as without the fault.
 */
export type Code = '200' | '200s' | '200m' | '503' | '504' | '429' | '403' | '404m' | '404b' | '404n' | 'cut' | '=';

/** One code, or several of which any will do. */
export type Expected = Code | readonly Code[];

/** What the upstream holds for one case. */
export interface CaseContent {
  readonly repository: string;
  readonly tag: string;
  readonly content: BuiltContent;
  /** The digest of the blob that is asked for. */
  readonly blob: string;
}

/** Where a fault is set. */
export interface FaultStage {
  readonly upstream: FaultUpstream;
  readonly names: Names;
  /** The upstream's name, without its port. */
  readonly hostName: string;
  readonly asked: CaseContent;
}

/** Ends a fault. */
export type End = () => Promise<void>;

/** One way in which an upstream fails, and what a client gets: a row of the matrix. */
export interface FaultRow {
  /** The number of the row in the fault matrix; several rows may share one. */
  readonly id: string;
  readonly title: string;
  /** The failure class that the error's `reason` and the warning give, or those that may be; none where nothing fails. */
  readonly reason?: string | readonly string[];
  /** Cached and complete, a check is due, within the staleness period. */
  readonly A: Expected;
  /** Cached and lapsed. */
  readonly B: Expected;
  /** Within the staleness period, its blobs missing; as A unless told. */
  readonly C?: Expected;
  /** Absent, by tag. */
  readonly D: Expected;
  /** An absent manifest by digest; as D unless told. */
  readonly digest?: Expected;
  /** A blob that is not stored, in C and in D alike. */
  readonly blob: Expected;
  /** HEAD of such a blob; as `blob` unless told, but 200 where GET is cut: what breaks a body is not in the headers. */
  readonly blobHead?: Expected;
  /** Why a cell is not what it seems it should be. */
  readonly note?: string;

  readonly auth?: UpstreamAuth;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The tag points to another image when the fault begins, so that the check has to fetch it. */
  readonly moves?: boolean;
  /** The tag points to a manifest that is broken in this way. */
  readonly breaks?: Breakage;
  /** The upstream's port is a black hole at another address, which `begin` may lead to. */
  readonly blackHole?: boolean;
  /** The upstream speaks TLS, with a certificate that the organization trusts. */
  readonly tls?: boolean;
  /** Blobs are answered with a redirect to the content server. */
  readonly cdn?: boolean;
  /** What `moves` and `breaks` do not say. Gives what it takes to end it, beyond clearing the faults. */
  readonly begin?: (stage: FaultStage) => Promise<End | undefined> | End | undefined;
  /** What else has to hold while the fault lasts; throws. */
  readonly alsoHolds?: (stage: FaultStage) => void;
}

/** A row of the matrix that has no place in this suite. */
export interface LeftOut {
  readonly id: string;
  readonly why: string;
}
