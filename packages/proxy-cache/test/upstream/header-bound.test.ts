import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startFaultUpstream } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';

const ASK = fileURLToPath(new URL('../support/ask-with-any-headers.mjs', import.meta.url));

/** What the upstream client gets in a process that would take headers of a megabyte. */
async function ask(url: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, ['--max-http-header-size=1048576', ASK, url])).stdout;
}

test('F64: headers have at most 16 KiB, whatever the process was started with', async () => {
  await using upstream = await startFaultUpstream();
  const url = `${upstream.origins.registry}/v2/`;
  expect(await ask(url)).toBe('200');
  upstream.fault({ kind: 'header-bomb', count: 1_000, bytes: 64 * 1024 });
  expect(await ask(url)).toBe('protocol');
});
