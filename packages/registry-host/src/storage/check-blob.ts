import { DigestVerifier, isRegistryError } from '@breakwater/registry-core';
import type { BlobFiles } from './blob-files.js';
import type { BlobGeneration, Damage } from './ports.js';
import { isUnreadable } from './storage-error.js';

/** How much is read at a time, bytes. */
const STEP_BYTES = 512 * 1024;

/**
 * Reads a whole blob; resolves to what is wrong with it, or to `undefined`. One that is being read when it is collected
 * may seem damaged: whoever marks it asks whether it is live still.
 *
 * @param spend awaited before each piece, with its size in bytes; what it throws ends the reading
 * @throws RegistryError UNAVAILABLE (detail.reason "storage" or "overload"): nothing is known of this blob
 */
export async function checkBlob(
  files: BlobFiles,
  blob: BlobGeneration,
  spend: (bytes: number) => Promise<void>,
): Promise<Damage | undefined> {
  const open = await files.open(blob);
  if (typeof open !== 'object') return open;
  try {
    const verifier = new DigestVerifier(blob.digest);
    const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(STEP_BYTES, blob.size)));
    while (verifier.bytes < blob.size) {
      await spend(Math.min(buffer.byteLength, blob.size - verifier.bytes));
      const bytes = await open.read(buffer, verifier.bytes);
      if (bytes === 0) return 'size';
      verifier.update(buffer.subarray(0, bytes));
    }
    return verifier.verify(blob.size) ? undefined : 'content';
  } catch (error) {
    if (isRegistryError(error) && isUnreadable(error.cause)) return 'unreadable';
    throw error;
  } finally {
    await open.close();
  }
}
