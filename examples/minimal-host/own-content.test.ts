import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBlobStore, describeManifestStore, movableClock } from '@breakwater/test-kit';
import { OwnContent } from './own-content.js';

async function made() {
  const directory = await mkdtemp(join(tmpdir(), 'breakwater-own-content-'));
  const content = new OwnContent(directory, movableClock());
  return { manifests: content, blobs: content, close: () => rm(directory, { recursive: true }) };
}

describeManifestStore('of the example', made);
describeBlobStore('of the example', made);
