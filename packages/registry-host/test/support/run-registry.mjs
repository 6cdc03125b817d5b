import { readConfig, startRegistry } from '@breakwater/registry-host';

// node run-registry.mjs <JSON: { env, connection, downloads, deadlines }>
//
// A registry in a process of its own, as it was built, to be killed by a test. Prints its URL when it serves.

const { env, ...options } = JSON.parse(process.argv[2]);
const say = (fields, message) => process.stderr.write(`${message} ${fields.err?.stack ?? ''}\n`);
const quiet = () => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: say };
const registry = await startRegistry({ config: readConfig(env), logger, ...options });
await registry.ready;
process.stdout.write(`${registry.url}\n`);
