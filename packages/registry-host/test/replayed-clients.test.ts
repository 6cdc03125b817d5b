import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { type ClientSite, STATES, startClientSite } from './clients/client-site.js';
import { REPLAYED_CLIENTS, replay } from './clients/replayed-clients.js';

// The requests of clients that are not in Debian, in every state; the real ones: clients.slow.test.ts.

let site: ClientSite;
beforeAll(async () => {
  site = await startClientSite();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

describe.each(STATES)('%s', (state) => {
  beforeAll(async () => {
    if (state === 'outage') await site.upstream.kill();
  });

  for (const client of REPLAYED_CLIENTS) test(client.client, () => replay(site, state, client));
});
