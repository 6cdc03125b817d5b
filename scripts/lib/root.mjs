import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A program that npm has installed. */
export function installed(program) {
  return join(ROOT, 'node_modules', '.bin', program);
}
