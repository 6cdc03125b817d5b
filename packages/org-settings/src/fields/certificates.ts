import { X509Certificate } from 'node:crypto';

/** Most bytes of certificates that are taken. */
export const MAX_CERTIFICATES_BYTES = 64 * 1024;

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----[\s\S]*?-----END \1-----/g;
const CERTIFICATE = 'CERTIFICATE';

/**
 * Reads PEM certificates and returns them in one spelling: comments around them and the way their lines are broken do not
 * count. `problem` goes on from the name of the field and never repeats the text.
 */
export function readCertificates(text: string): { readonly pem: string } | { readonly problem: string } {
  if (Buffer.byteLength(text) > MAX_CERTIFICATES_BYTES) {
    return { problem: `must be at most ${MAX_CERTIFICATES_BYTES} bytes long` };
  }
  const blocks = [...text.matchAll(BLOCK)];
  // Before anything else is said of it: a key is not to be stored, however good the rest is.
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) {
    return {
      problem: 'must hold certificates only; there is a private key in it, which belongs nowhere but on its server',
    };
  }
  if (blocks.length === 0)
    return { problem: 'must be PEM certificates, each from -----BEGIN CERTIFICATE----- to its END' };
  const read: string[] = [];
  for (const [index, [block, label]] of blocks.entries()) {
    if (label !== CERTIFICATE) return { problem: `must hold certificates only; block ${index + 1} is a ${label}` };
    const certificate = parseCertificate(block);
    if (certificate === undefined)
      return { problem: `must be PEM certificates; block ${index + 1} cannot be read as one` };
    read.push(certificate.toString());
  }
  if (text.replace(BLOCK, '').includes('-----BEGIN ')) {
    return { problem: 'must be PEM certificates; one of them has no end' };
  }
  return { pem: read.join('') };
}

/** SHA-256 of each certificate, as `openssl x509 -fingerprint -sha256` writes it. */
export function certificateFingerprints(pem: string): readonly string[] {
  return [...pem.matchAll(BLOCK)].map(([block]) => new X509Certificate(block).fingerprint256);
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
