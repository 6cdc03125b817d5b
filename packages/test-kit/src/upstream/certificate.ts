import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

export interface CertificateOptions {
  /** Names and IPv4 addresses that it is for; `localhost` and `127.0.0.1` unless told. */
  readonly names?: readonly string[];
  /** When it begins and ends to be valid; a day ago, and in a year, unless told. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** Key and certificate as PEM. The certificate is its own authority: who trusts it passes it as `ca`. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const DAY_MS = 86_400_000;

/** Makes a self-signed certificate, so that tests of TLS need no other program. */
export function selfSignedCertificate(options: CertificateOptions = {}): Certificate {
  const {
    names = ['localhost', '127.0.0.1'],
    notBefore = new Date(Date.now() - DAY_MS),
    notAfter = new Date(Date.now() + 365 * DAY_MS),
  } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(
    set(sequence(OIDS.commonName, tagged(UTF8_STRING, Buffer.from(`breakwater test ${names[0]}`)))),
  );
  const signatureAlgorithm = sequence(OIDS.ecdsaWithSha256);
  const serial = randomBytes(16);
  // Positive, and not zero.
  serial[0] = 0x40 | (serial.readUInt8(0) & 0x3f);
  const toBeSigned = sequence(
    tagged(0xa0, tagged(INTEGER, Buffer.from([2]))),
    tagged(INTEGER, serial),
    signatureAlgorithm,
    name,
    sequence(time(notBefore), time(notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(extension(OIDS.basicConstraints, sequence(tagged(BOOLEAN, Buffer.from([0xff])))), altNames(names)),
    ),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const certificate = sequence(
    toBeSigned,
    signatureAlgorithm,
    tagged(BIT_STRING, Buffer.concat([Buffer.from([0]), signature])),
  );
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`,
  };
}

const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
/** Choices of GeneralName (RFC 5280, 4.2.1.6). */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const OIDS = {
  commonName: oid('550403'),
  ecdsaWithSha256: oid('2a8648ce3d040302'),
  basicConstraints: oid('551d13'),
  subjectAltName: oid('551d11'),
};

function altNames(names: readonly string[]): Buffer {
  const entries = names.map((name) =>
    isIP(name) === 4
      ? tagged(IP_ADDRESS, Buffer.from(name.split('.').map(Number)))
      : tagged(DNS_NAME, Buffer.from(name, 'ascii')),
  );
  return extension(OIDS.subjectAltName, sequence(...entries));
}

function extension(id: Buffer, value: Buffer): Buffer {
  return sequence(id, tagged(OCTET_STRING, value));
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  // Two-digit years end with 2049 (RFC 5280, 4.1.2.5).
  return date.getUTCFullYear() < 2050
    ? tagged(UTC_TIME, Buffer.from(digits.slice(2), 'ascii'))
    : tagged(GENERALIZED_TIME, Buffer.from(digits, 'ascii'));
}

function oid(hex: string): Buffer {
  return tagged(OBJECT_IDENTIFIER, Buffer.from(hex, 'hex'));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(SEQUENCE, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tagged(SET, Buffer.concat(parts));
}

/** One value of DER: tag, length, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { byteLength } = content;
  if (byteLength < 0x80) return Buffer.concat([Buffer.from([tag, byteLength]), content]);
  if (byteLength < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, byteLength]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, byteLength >> 8, byteLength & 0xff]), content]);
}
