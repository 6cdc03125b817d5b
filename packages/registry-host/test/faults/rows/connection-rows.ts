import {
  type CertificateOptions,
  type FaultUpstream,
  selfSignedCertificate,
  startFaultUpstream,
} from '@breakwater/test-kit';
import type { FaultRow, FaultStage } from '../fault-row.js';
import { BLACK_HOLE_ADDRESS, CANARY_ADDRESS, UPSTREAM_ADDRESS } from '../names.js';

const OUTAGE = { A: '200s', B: '503', D: '503', blob: '503' } as const;
const TIMEOUT = { A: '200s', B: '504', D: '504', blob: '504', reason: 'timeout' } as const;
const BLOBS_ONLY = { A: '=', B: '=', D: '=' } as const;
const MANIFESTS = { match: { kind: 'manifest' } } as const;
const BLOBS = { match: { kind: 'blob' } } as const;
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
    title: 'reset in the middle of a blob',
    ...BLOBS_ONLY,
    reason: 'connect',
    blob: ['cut', '503'],
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'reset' }, BLOBS)),
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
    title: 'a blob of no told length ends early',
    ...BLOBS_ONLY,
    reason: 'integrity',
    blob: ['cut', '503'],
    blobHead: '=',
    begin: fault(({ upstream }) =>
      upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'fin', framing: 'close' }, BLOBS),
    ),
  },
  {
    id: 'F10',
    title: 'a blob is shorter than was told',
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
    title: 'a blob stalls',
    ...BLOBS_ONLY,
    reason: 'timeout',
    blob: ['cut', '504'],
    begin: fault(({ upstream }) => upstream.fault({ kind: 'cut-body', afterBytes: 2_000, by: 'stall' }, BLOBS)),
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
    begin: fault(({ upstream }) => upstream.fault({ kind: 'delay', ms: 450 })),
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
  tlsRow('F27', 'its certificate has expired', { notAfter: new Date(Date.now() - DAY_MS / 2) }),
  tlsRow('F28', 'its certificate is from nobody we know', {}),
  tlsRow('F29', 'its certificate is for another name', { names: ['registry.example.test'] }),
  {
    id: 'F30',
    title: 'the TLS handshake stalls',
    ...TIMEOUT,
    reason: ['timeout', 'tls'],
    begin: overTls(async ({ upstream }) => void upstream.fault({ kind: 'connection', by: 'stall' })),
  },
  {
    id: 'F31',
    title: 'it speaks plain HTTP where TLS is due',
    ...OUTAGE,
    reason: 'tls',
    begin: overTls(async ({ upstream }) => upstream.dropConnections()),
    alsoHolds: ({ upstream }) => {
      if (upstream.count() > 0) throw new Error('it was asked without TLS');
    },
  },
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

/** What was cached over plain HTTP is asked for over TLS: the cache is the same, its upstream is not to be trusted. */
function overTls(set: (stage: FaultStage) => Promise<void>) {
  return async (stage: FaultStage) => {
    await stage.configure({ insecure: false });
    await set(stage);
    stage.upstream.reset();
    return () => stage.configure({ insecure: true });
  };
}

function tlsRow(id: string, title: string, certificate: CertificateOptions): FaultRow {
  return {
    id,
    title,
    ...OUTAGE,
    reason: 'tls',
    begin: async (stage) => {
      const { upstream, hostName } = stage;
      await upstream.kill();
      const tls = selfSignedCertificate({ names: [hostName], ...certificate });
      const untrusted = await startFaultUpstream({ address: UPSTREAM_ADDRESS, port: upstream.port, hostName, tls });
      await stage.configure({ insecure: false });
      return async () => {
        await untrusted.close();
        await upstream.revive();
        await stage.configure({ insecure: true });
      };
    },
  };
}
