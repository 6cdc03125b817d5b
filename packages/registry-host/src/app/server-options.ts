/** What is asked of node:http: how long it waits for clients, in milliseconds, and that it reads them strictly. */
export const SERVER_OPTIONS = {
  /** Said, so that --insecure-http-parser in NODE_OPTIONS does not count here (S35). */
  insecureHTTPParser: false,
  /** A connection that is idle for longer is closed; above the half minute that clients keep theirs. */
  keepAliveTimeout: 65_000,
  headersTimeout: 10_000,
  /** A whole request has no deadline, five minutes in Node: a push of 10 GB takes as long as it takes (see `SlowClients`). */
  requestTimeout: 0,
  /** How often it is looked for connections whose headers take too long. */
  connectionsCheckingInterval: 5_000,
};
