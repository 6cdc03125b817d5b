/** What a failure class means, and what to try, for people. */
interface FailureClassWords {
  /** Short, for a table or a legend. */
  readonly name: string;
  /** A sentence about the upstream, after its name. */
  readonly happened: string;
  readonly advice: string;
}

const WORDS: Readonly<Record<string, FailureClassWords>> = {
  connect: {
    name: 'No connection',
    happened: 'cannot be connected to',
    advice: 'Check the address and port, and that this registry may reach it through the firewall.',
  },
  dns: {
    name: 'Name not found',
    happened: 'has a name that cannot be resolved',
    advice: 'Check the spelling of the host, and the name servers of this registry.',
  },
  tls: {
    name: 'TLS',
    happened: 'offers a certificate or a TLS version that is not accepted',
    advice:
      'Check that its certificate is valid now; for an authority of your own give its certificate (Configuration, More settings).',
  },
  timeout: {
    name: 'No answer in time',
    happened: 'does not answer in time',
    advice: 'It may be overloaded, or a firewall may swallow the connection.',
  },
  server_error: {
    name: 'Server error',
    happened: 'answers with errors of its own',
    advice: 'Wait, or look at the status page of the upstream.',
  },
  protocol: {
    name: 'Not understood',
    happened: 'answers with something that is not what a registry says',
    advice: 'Check that the address is that of a container registry and not of a web page or proxy.',
  },
  integrity: {
    name: 'Wrong bytes',
    happened: 'delivered bytes that do not have the digest they were asked for by',
    advice: 'Something between here and there changes or cuts answers; nothing of it was stored.',
  },
  rate_limited: {
    name: 'Rate limit',
    happened: 'refuses further requests for now (429)',
    advice: 'Give credentials with a higher limit, or check less often.',
  },
  blocked: {
    name: 'Address not allowed',
    happened: 'has an address that this registry may not dial',
    advice: 'An operator can allow it with BREAKWATER_UPSTREAM_ALLOWED_HOSTS.',
  },
  auth: {
    name: 'Token server',
    happened: 'has a token server that does not work',
    advice: 'Wait, or look at the status page of the upstream.',
  },
  removed: {
    name: 'Image gone',
    happened: 'says that the image is gone',
    advice: 'Pin the image here, or find out why it was removed.',
  },
  denied: {
    name: 'Access refused',
    happened: 'refuses our credentials',
    advice: 'Check user name and password, and that they may pull this repository.',
  },
};

/** The words for a failure class; of an unknown one, itself. */
export function failureClassWords(failureClass: string): FailureClassWords {
  return (
    WORDS[failureClass] ?? {
      name: failureClass,
      happened: `cannot be used (${failureClass})`,
      advice: 'Ask the operator of this registry.',
    }
  );
}
