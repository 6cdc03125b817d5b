import type { SecureContextOptions } from 'node:tls';
import { type FaultUpstream, selfSignedCertificate, startFaultUpstream } from '@breakwater/test-kit';
import type { FaultRow, FaultStage } from '../fault-row.js';
import { BLACK_HOLE_ADDRESS, CANARY_ADDRESS, UPSTREAM_ADDRESS } from '../names.js';

const OUTAGE = { A: '200s', B: '503', D: '503', blob: '503' } as const;
const TIMEOUT = { A: '200s', B: '504', D: '504', blob: '504', reason: 'timeout' } as const;
const BLOBS_ONLY = { A: '=', B: '=', D: '=' } as const;
const MANIFESTS = { match: { kind: 'manifest' } } as const;
const BLOBS = { match: { kind: 'blob' } } as const;
/** GETs of blobs only: HEAD has no body to break. */
const ONE_BLOB = { match: { kind: 'blob', method: 'GET' }, times: 1 } as const;
const TWO_BLOBS = { ...ONE_BLOB, times: 2 } as const;
const DAY_MS = 86_400_000;

/** Faults of connections, names and certificates: F1 to F31. */
export const connectionRows: readonly FaultRow[] = [
  {
    id: 'F1',
    title: 'connections are refused',
    ...OUTAGE,
    reason: 'connect',
    begin: async ({ upstream }) => {
      await upstream.kill();
      return () => upstream.revive();
    },
  },
  {
    id: 'F2',
    title: 'packets vanish',
    ...TIMEOUT,
    blackHole: true,
    begin: named(({ names }) => names.pointTo(BLACK_HOLE_ADDRESS)),
  },
  {
    id: 'F3',
    title: 'it accepts and sends nothing',
    ...TIMEOUT,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'no-answer', by: 'stall' })),
  },
  {
    id: 'F4',
    title: 'reset on accept',
    ...OUTAGE,
    reason: 'connect',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'connection', by: 'reset' })),
  },
  {
    id: 'F5',
    title: 'reset inside the headers',
    ...OUTAGE,
    reason: 'connect',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-headers', by: 'reset' })),
  },
  {
    id: 'F7',
    title: 'reset in the middle of a manifest',
    ...OUTAGE,
    reason: 'connect',
    blob: '=',
    moves: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 100, by: 'reset' }, MANIFESTS)),
  },
  {
    id: 'F8',
    title: 'reset in the middle of a blob, again and again',
    ...BLOBS_ONLY,
    reason: 'connect',
    blob: ['cut', '503'],
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'reset' }, BLOBS)),
  },
  {
    id: 'F8',
    title: 'reset in the middle of a blob, twice',
    ...BLOBS_ONLY,
    blob: '=',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'reset' }, TWO_BLOBS)),
  },
  {
    id: 'F9',
    title: 'a manifest of no told length ends early',
    ...OUTAGE,
    reason: 'integrity',
    blob: '=',
    moves: true,
    begin: fault(({ upstream }) =>
      upstream.fault({ kind: 'cut-body', afterBytes: 100, by: 'fin', framing: 'close' }, MANIFESTS),
    ),
  },
  {
    id: 'F9',
    title: 'a blob of no told length ends early, again and again',
    ...BLOBS_ONLY,
    reason: ['integrity', 'connect'],
    blob: ['cut', '503'],
    blobHead: '=',
    begin: fault(({ upstream }) =>
      upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'fin', framing: 'close' }, BLOBS),
    ),
  },
  {
    id: 'F10',
    title: 'a blob is shorter than was told, again and again',
    ...BLOBS_ONLY,
    reason: 'connect',
    blob: ['cut', '503'],
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'fin' }, BLOBS)),
  },
  {
    id: 'F12',
    title: 'a blob comes at one byte a second',
    ...BLOBS_ONLY,
    reason: 'timeout',
    blob: ['cut', '504'],
    blobHead: '=',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'drip', bytesPerSecond: 1 }, BLOBS)),
  },
  {
    id: 'F13',
    title: 'a blob stalls, again and again',
    ...BLOBS_ONLY,
    reason: 'timeout',
    blob: ['cut', '504'],
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'stall' }, BLOBS)),
  },
  {
    id: 'F13',
    title: 'a blob stalls once',
    ...BLOBS_ONLY,
    blob: '=',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'stall' }, ONE_BLOB)),
  },
  {
    id: 'F14',
    title: 'one bit of a blob is wrong',
    ...BLOBS_ONLY,
    reason: 'integrity',
    blob: ['cut', '503'],
    begin: fault(({ upstream }) => upstream.fault({ kind: 'bit-flip' }, BLOBS)),
  },
  {
    id: 'F16',
    title: 'it is slow, but answers',
    reason: 'timeout',
    A: '200s',
    B: '200',
    D: '200m',
    blob: '200m',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'delay', ms: 1_000 })),
  },
  {
    id: 'F17',
    title: 'blobs come slowly, but come',
    ...BLOBS_ONLY,
    blob: '200m',
    begin: fault(({ upstream }) => upstream.fault({ kind: 'drip', bytesPerSecond: 60_000 }, BLOBS)),
  },
  {
    id: 'F20',
    title: 'its name is not known',
    ...OUTAGE,
    reason: 'dns',
    begin: named(({ names }) => names.fail('ENOTFOUND')),
  },
  {
    id: 'F21',
    title: 'the name server fails',
    ...OUTAGE,
    reason: 'dns',
    begin: named(({ names }) => names.fail('EAI_AGAIN')),
  },
  {
    id: 'F22',
    title: 'the name server does not answer',
    ...TIMEOUT,
    begin: named(({ names }) => names.hang()),
  },
  {
    id: 'F23',
    title: 'its name leads to an address inside',
    ...OUTAGE,
    reason: 'blocked',
    begin: async (stage) => {
      const canary = await startFaultUpstream({ address: CANARY_ADDRESS, port: stage.upstream.port });
      canaries.set(stage.upstream, canary);
      stage.names.pointTo(CANARY_ADDRESS);
      stage.upstream.dropConnections();
      return () => canary.close();
    },
    alsoHolds: ({ upstream }) => {
      const connections = canaries.get(upstream)?.acceptedConnections ?? 0;
      if (connections !== 0) throw new Error(`${connections} connections at the canary`);
    },
  },
  {
    id: 'F25',
    title: 'the first of its two addresses is dead',
    A: '=',
    B: '=',
    D: '=',
    blob: '=',
    begin: named(({ names }) => names.pointTo(BLACK_HOLE_ADDRESS, UPSTREAM_ADDRESS)),
  },
  tlsRow('F27', 'its certificate has expired', ({ hostName }) => ({
    ...selfSignedCertificate({ names: [hostName], notAfter: new Date(Date.now() - DAY_MS / 2) }),
  })),
  tlsRow('F28', 'its certificate is from nobody we know', ({ hostName }) => ({
    ...selfSignedCertificate({ names: [hostName] }),
  })),
  {
    id: 'F28',
    title: 'its certificate is from an authority that the organization trusts',
    A: '=',
    B: '=',
    D: '=',
    blob: '=',
    tls: true,
  },
  tlsRow('F29', 'its certificate is for another name', () => ({
    ...selfSignedCertificate({ names: ['registry.example.test'] }),
  })),
  {
    id: 'F30',
    title: 'the TLS handshake stalls',
    ...TIMEOUT,
    tls: true,
    begin: fault(({ upstream }) => upstream.fault({ kind: 'connection', by: 'stall' })),
  },
  tlsRow('F31', 'it speaks plain HTTP where TLS is due', () => undefined),
  tlsRow('F31', 'it speaks TLS 1.1 and nothing newer', ({ hostName }) => ({
    ...selfSignedCertificate({ names: [hostName] }),
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })),
];

const canaries = new WeakMap<FaultUpstream, FaultUpstream>();

function fault(set: (stage: FaultStage) => unknown) {
  return (stage: FaultStage) => {
    set(stage);
    return undefined;
  };
}

/** Connections that are open need no name. */
function named(set: (stage: FaultStage) => void) {
  return (stage: FaultStage) => {
    set(stage);
    stage.upstream.dropConnections();
    return undefined;
  };
}

/** Another server takes the place of the trusted one, and is never asked for anything. */
function tlsRow(id: string, title: string, tlsOf: (stage: FaultStage) => SecureContextOptions | undefined): FaultRow {
  return {
    id,
    title,
    ...OUTAGE,
    reason: 'tls',
    tls: true,
    begin: async (stage) => {
      const { upstream, hostName } = stage;
      await upstream.kill();
      const tls = tlsOf(stage);
      const untrusted = await startFaultUpstream({
        address: UPSTREAM_ADDRESS,
        port: upstream.port,
        hostName,
        ...(tls === undefined ? {} : { tls }),
      });
      canaries.set(upstream, untrusted);
      return async () => {
        await untrusted.close();
        await upstream.revive();
      };
    },
    alsoHolds: ({ upstream }) => {
      const asked = canaries.get(upstream)?.count() ?? 0;
      if (asked > 0) throw new Error(`a server that is not trusted was asked ${asked} times`);
    },
  };
}
