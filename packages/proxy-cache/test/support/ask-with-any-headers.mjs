import { AddressGuard } from '../../dist/upstream/address-guard.js';
import { DEFAULT_DEADLINES } from '../../dist/upstream/deadlines.js';
import { GuardedAgents } from '../../dist/upstream/guarded-agent.js';
import { Resolver, systemLookup } from '../../dist/upstream/resolver.js';
import { AxiosTransport } from '../../dist/upstream/transport.js';

// node --max-http-header-size=… ask-with-any-headers.mjs <url>
//
// Asks as the upstream client does, in a process with a bound of its own on headers; prints the status, or the failure class.

const guard = new AddressGuard(['127.0.0.0/8']);
const agents = new GuardedAgents({ guard, resolver: new Resolver(systemLookup), deadlines: DEFAULT_DEADLINES });
const transport = new AxiosTransport(agents, DEFAULT_DEADLINES, Date);
const request = { url: new URL(process.argv[2]), method: 'GET', headers: {}, signal: AbortSignal.timeout(10_000) };
const answer = await transport.send(request).then(
  ({ status, body }) => {
    body.destroy();
    return String(status);
  },
  ({ failureClass }) => failureClass,
);
agents.destroy();
process.stdout.write(answer);
