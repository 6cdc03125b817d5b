import * as tls from 'node:tls';

/** Nothing older is spoken with upstreams. */
export const MIN_TLS_VERSION = 'TLSv1.2';

/** From Node 22.15: with those of NODE_EXTRA_CA_CERTS, which `rootCertificates` leaves out. */
type NewerTls = { readonly getCACertificates?: (type: 'default') => readonly string[] };

/**
 * Makes, when it is asked for first, the context of connections that trust PEM certificates beside the usual ones. It is
 * made once: to read all the usual ones again for each connection takes longer than the handshake.
 */
export function trustAlso(caPem: string): () => tls.SecureContext {
  let context: tls.SecureContext | undefined;
  return () => {
    const usual = (tls as NewerTls).getCACertificates?.('default') ?? tls.rootCertificates;
    context ??= tls.createSecureContext({ ca: [...usual, caPem], minVersion: MIN_TLS_VERSION });
    return context;
  };
}
