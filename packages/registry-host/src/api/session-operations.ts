import type { IncomingMessage } from 'node:http';
import { ApiError, type ApiOperation, readFields } from '@breakwater/registry-http';
import { z } from 'zod';
import type { AccountLog } from '../access/account-log.js';
import type { CredentialVerifier } from '../access/credential-verifier.js';
import type { Session, Sessions } from '../access/sessions.js';
import type { UserDirectory } from '../access/users.js';

export interface SessionOperationParts {
  readonly verifier: CredentialVerifier;
  readonly sessions: Sessions;
  readonly users: UserDirectory;
  readonly accountLog: AccountLog;
}

const credentials = z.strictObject({ username: z.string(), password: z.string() });
const sessionView = z.strictObject({
  username: z.string(),
  super_user: z.boolean(),
  csrf_token: z.string().nullable().meta({ description: 'what writes send as X-CSRF-Token; null without a session' }),
  idle_expires_at: z.iso.datetime().nullable().meta({ description: 'when the session ends if it is left alone' }),
  expires_at: z.iso.datetime().nullable().meta({ description: 'when the session ends however much it is used' }),
});

/** Signing in to the page and out of it. */
export function sessionOperations({
  verifier,
  sessions,
  users,
  accountLog,
}: SessionOperationParts): readonly ApiOperation[] {
  return [
    {
      id: 'signinUser',
      method: 'POST',
      path: '/api/v1/signin',
      summary: 'Signs in with name and password, and begins a session.',
      right: 'public',
      body: credentials,
      answers: {
        200: {
          description: 'the session cookie is set',
          body: sessionView.extend({ success: z.literal(true) }),
        },
      },
      async handle({ request, body }) {
        const given = readFields(credentials, body);
        const address = request.socket.remoteAddress;
        const user = await verifier.verify(given, address ?? '');
        if (user === undefined) {
          const tried = await users.find(given.username);
          await accountLog.record({ kind: 'login_failure', performedBy: tried?.name, address, details: {} });
          // As Quay's page reads it. Not 401, at which browsers ask for a password themselves.
          const extra = { invalidCredentials: true, needsEmailVerification: false };
          throw new ApiError('FORBIDDEN', { detail: 'Invalid Username or Password', extra });
        }
        // Before the session, so that there is none that nobody knows of.
        await accountLog.record({ kind: 'login_success', performedBy: user.name, address, details: {} });
        await sessions.end(request);
        const { session, cookie } = await sessions.begin(user);
        return { status: 200, body: { success: true, ...view(session) }, headers: { 'set-cookie': cookie } };
      },
    },
    {
      id: 'logout',
      method: 'POST',
      path: '/api/v1/signout',
      summary: 'Ends the session of the page.',
      right: 'signed-in',
      answers: { 200: { description: 'signed out', body: z.strictObject({ success: z.literal(true) }) } },
      async handle({ request }) {
        return { status: 200, body: { success: true }, headers: { 'set-cookie': await sessions.end(request) } };
      },
    },
    {
      id: 'getSession',
      method: 'GET',
      path: '/api/v1/session',
      summary: 'Says who is signed in, and gives the CSRF token of the session.',
      right: 'signed-in',
      answers: { 200: { description: 'who is signed in', body: sessionView } },
      async handle({ request, principal }) {
        const session = await sessionOf(sessions, request);
        if (session !== undefined) return { status: 200, body: view(session) };
        const { isAdministrator = false } = principal as { readonly isAdministrator?: boolean };
        const nothing = { csrf_token: null, idle_expires_at: null, expires_at: null };
        return { status: 200, body: { username: principal.name, super_user: isAdministrator, ...nothing } };
      },
    },
  ];
}

/** The session that the request was let in by: none when it brought other credentials. */
async function sessionOf(sessions: Sessions, request: IncomingMessage): Promise<Session | undefined> {
  return request.headers.authorization === undefined ? sessions.find(request) : undefined;
}

function view(session: Session): z.input<typeof sessionView> {
  return {
    username: session.userName,
    super_user: session.isAdministrator,
    csrf_token: session.csrfToken,
    idle_expires_at: new Date(session.idleUntil).toISOString(),
    expires_at: new Date(session.endsAt).toISOString(),
  };
}
