import { createServer, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { type OrganizationName, type Principal, RegistryError } from '@breakwater/registry-core';
import { movableClock, repositoryOf } from '@breakwater/test-kit';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parseBasicCredentials } from './basic-credentials.js';
import { createAccess } from './create-access.js';
import { CredentialVerifier } from './credential-verifier.js';
import { hashPassword, unknownPasswordHash, verifyPassword } from './password.js';
import type { OrganizationRole, RegistryUser } from './users.js';

const hashes = new Map<string, string>();
beforeAll(async () => {
  for (const password of ['right', 'plain user', 'pa:ss wörd']) hashes.set(password, await hashPassword(password));
});

/** Users in memory, which count how often they are asked and can be away. */
class FewUsers {
  asked = 0;
  failure: Error | undefined;
  readonly byName = new Map<string, RegistryUser>();
  async find(name: string) {
    this.asked += 1;
    if (this.failure !== undefined) throw this.failure;
    return this.byName.get(name);
  }
  add(name: string, password: string, isAdministrator = false): void {
    this.byName.set(name, { name, passwordHash: hashes.get(password) ?? '', isAdministrator });
  }
}

const clock = movableClock();
let users: FewUsers;
beforeEach(() => {
  users = new FewUsers();
  users.add('admin', 'right', true);
  users.add('user', 'plain user');
});

function request(authorization?: string): IncomingMessage {
  const message = new IncomingMessage(new Socket());
  if (authorization !== undefined) message.headers.authorization = authorization;
  return message;
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

const ADDRESS = '192.0.2.1';
const open = repositoryOf('open-org/app').organization;
const closed = repositoryOf('closed-org/app').organization;
const hosted = repositoryOf('hosted-org/app').organization;

const roles = new Map<string, OrganizationRole>();

function access() {
  return createAccess({
    users,
    verifier: new CredentialVerifier({ users, clock }),
    tokens: {
      verify: async (text) => (text === 'token-of-user' ? { name: 'user', isAdministrator: false } : undefined),
    },
    bearers: { find: async () => undefined },
    service: 'registry.example',
    publicUrl: undefined,
    sessions: { find: async () => undefined },
    roles: { role: async (organization, user) => roles.get(`${organization} ${user}`) },
    settings: {
      find: async (organization) =>
        organization === hosted
          ? undefined
          : {
              organization,
              upstream: 'registry.example',
              insecure: false,
              credentialVersion: 1,
              stalenessPeriodS: 1,
              checkIntervalS: null,
              expirationS: 1,
              serveWhenRemoved: true,
              serveWhenDenied: true,
              anonymousPull: organization === open,
              prefetch: 'off',
              prefetchMaxBytes: 1024 ** 3,
            },
    },
  });
}

describe('passwords', () => {
  test('a hash verifies its password and no other, and two of the same password differ', async () => {
    const hash = hashes.get('right') ?? '';
    expect(await verifyPassword('right', hash)).toBe(true);
    for (const wrong of ['', 'Right', 'right ', 'righ']) expect(await verifyPassword(wrong, hash)).toBe(false);
    expect(await hashPassword('right')).not.toBe(hash);
    expect(hash).not.toContain('right');
    expect(await verifyPassword('right', unknownPasswordHash())).toBe(false);
  });

  test('a hash that would take all memory is refused', async () => {
    await expect(verifyPassword('x', '$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ=$aGFzaGhhc2hoYXNoaGFzaA==')).rejects.toThrow();
    await expect(verifyPassword('x', 'plain')).rejects.toThrow();
  });
});

describe('Basic credentials (RFC 7617)', () => {
  test.each([
    [undefined, undefined],
    ['', undefined],
    [basic('', ''), undefined],
    [basic('admin', 'right'), { username: 'admin', password: 'right' }],
    [basic('admin', 'a:b'), { username: 'admin', password: 'a:b' }],
    [basic('', 'secret'), { username: '', password: 'secret' }],
    [basic('ü', 'ö'), { username: 'ü', password: 'ö' }],
    [basic('admin', 'right').replace('Basic', 'bAsIc'), { username: 'admin', password: 'right' }],
    ['Basic', 'unreadable'],
    ['Basic !!!', 'unreadable'],
    ['Basic bm9jb2xvbg==', 'unreadable'],
    ['Bearer abc', 'unreadable'],
  ])('%p is read as %p', (header, expected) => {
    expect(parseBasicCredentials(header)).toEqual(expected);
  });
});

describe('authentication', () => {
  test('nobody, somebody, and somebody with a wrong password', async () => {
    expect(await access().authenticate(request())).toBeUndefined();
    expect(await access().authenticate(request(basic('', '')))).toBeUndefined();
    expect(await access().authenticate(request(basic('admin', 'right')))).toMatchObject({ name: 'admin' });
    for (const wrong of [basic('admin', 'wrong'), basic('nobody', 'right'), basic('', 'right'), 'Bearer x']) {
      await expect(access().authenticate(request(wrong))).rejects.toMatchObject({
        code: 'UNAUTHORIZED',
        headers: { 'www-authenticate': 'Basic realm="Breakwater", charset="UTF-8"' },
      });
    }
  });

  test('challenges with Basic', () => {
    expect(access().challenge(request())).toBe('Basic realm="Breakwater", charset="UTF-8"');
  });

  test('reads what an HTTP client sends', async () => {
    users.add('Ümläut', 'pa:ss wörd');
    const subject = access();
    const server = createServer((incoming, response) => {
      void subject.authenticate(incoming).then((principal) => response.end(principal?.name));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { authorization: basic('Ümläut', 'pa:ss wörd') },
    });
    expect(await answer.text()).toBe('Ümläut');
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('what is remembered', () => {
  test('a verified credential for a minute, however many ask at once', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    const credentials = { username: 'admin', password: 'right' };
    const all = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(credentials, ADDRESS)));
    expect(all.every((user) => user?.name === 'admin')).toBe(true);
    clock.advance({ ms: 59_999 });
    await verifier.verify(credentials, ADDRESS);
    expect(users.asked).toBe(1);
    clock.advance({ ms: 1 });
    await verifier.verify(credentials, ADDRESS);
    expect(users.asked).toBe(2);
  });

  test('a wrong one for a second', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    const credentials = { username: 'user', password: 'right' };
    expect(await verifier.verify(credentials, ADDRESS)).toBeUndefined();
    expect(await verifier.verify(credentials, ADDRESS)).toBeUndefined();
    expect(users.asked).toBe(1);
    users.add('user', 'right');
    clock.advance({ seconds: 1 });
    expect(await verifier.verify(credentials, ADDRESS)).toMatchObject({ name: 'user' });
  });

  test('not across names and passwords that look alike when put together', async () => {
    users.add('a', 'right');
    const verifier = new CredentialVerifier({ users, clock });
    expect(await verifier.verify({ username: 'a', password: 'right' }, ADDRESS)).toBeDefined();
    expect(await verifier.verify({ username: 'a:right', password: '' }, ADDRESS)).toBeUndefined();
    expect(await verifier.verify({ username: 'ar', password: 'ight' }, ADDRESS)).toBeUndefined();
  });

  test('for as long as the users cannot be looked up; what was not verified then fails (I11, I7)', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    const credentials = { username: 'admin', password: 'right' };
    await verifier.verify(credentials, ADDRESS);
    users.failure = new RegistryError('UNAVAILABLE', 'no database', { detail: { reason: 'database' } });
    clock.advance({ hours: 5 });
    expect(await verifier.verify(credentials, ADDRESS)).toMatchObject({ name: 'admin' });
    await expect(verifier.verify({ username: 'user', password: 'plain user' }, ADDRESS)).rejects.toBe(users.failure);
    users.failure = undefined;
    users.byName.delete('admin');
    expect(await verifier.verify(credentials, ADDRESS)).toBeUndefined();
  });

  test('an unknown name is hashed like a known one', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    const before = process.cpuUsage();
    await verifier.verify({ username: 'nobody', password: 'right' }, ADDRESS);
    // scrypt with 32 MiB takes tens of milliseconds of a processor anywhere; a look-up in a Map takes none.
    expect(process.cpuUsage(before).user + process.cpuUsage(before).system).toBeGreaterThan(10_000);
  });

  test('after a change it is looked up again, and hashed again only for another password', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    const credentials = { username: 'admin', password: 'right' };
    await verifier.verify(credentials, ADDRESS);
    users.add('admin', 'right', false);
    verifier.forget();
    const before = process.cpuUsage();
    expect(await verifier.verify(credentials, ADDRESS)).toMatchObject({ isAdministrator: false });
    expect(process.cpuUsage(before).user).toBeLessThan(20_000);
    users.add('admin', 'plain user');
    verifier.forget();
    expect(await verifier.verify(credentials, ADDRESS)).toBeUndefined();
    users.byName.delete('admin');
    verifier.forget();
    expect(await verifier.verify({ username: 'admin', password: 'plain user' }, ADDRESS)).toBeUndefined();
  });

  test('too many at once are told to come again', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    // A hash of low cost, so that the test takes no time.
    const passwordHash = unknownPasswordHash().replace('ln=15', 'ln=4');
    users.byName.set('cheap', { name: 'cheap', passwordHash, isAdministrator: false });
    const attempts = Array.from({ length: 80 }, (_, at) => {
      users.byName.set(`cheap${at}`, { name: `cheap${at}`, passwordHash, isAdministrator: false });
      return verifier.verify({ username: `cheap${at}`, password: '' }, ADDRESS);
    });
    const settled = await Promise.allSettled(attempts);
    const refused = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    expect(refused).toHaveLength(80 - 66);
    expect(refused[0]).toMatchObject({ code: 'UNAVAILABLE', status: 503, detail: { reason: 'overload' } });
    expect(await verifier.verify({ username: 'user', password: 'plain user' }, ADDRESS)).toBeDefined();
  });
});

describe('guessing', () => {
  const cheapHash = unknownPasswordHash().replace('ln=15', 'ln=4');
  const guess = (verifier: CredentialVerifier, username: string, password: string, address = ADDRESS) => {
    if (!users.byName.has(username))
      users.byName.set(username, { name: username, passwordHash: cheapHash, isAdministrator: false });
    return verifier.verify({ username, password }, address).catch((error: RegistryError) => error.code);
  };

  test('twenty wrong passwords for a name, then a quarter of an hour none, from wherever; who is verified goes on', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    await verifier.verify({ username: 'user', password: 'plain user' }, ADDRESS);
    users.byName.set('user', { ...users.byName.get('user'), passwordHash: cheapHash } as RegistryUser);
    const tries = Array.from({ length: 30 }, (_, at) => guess(verifier, 'user', `wrong ${at}`, `192.0.2.${at}`));
    const answers = await Promise.all(tries);
    expect(answers.filter((each) => each === undefined)).toHaveLength(20);
    expect(answers.filter((each) => each === 'TOOMANYREQUESTS')).toHaveLength(10);
    // Remembered, as is a client that repeats its old password.
    expect(await guess(verifier, 'user', 'plain user')).toMatchObject({ name: 'user' });
    expect(await guess(verifier, 'user', 'wrong 1')).toBeUndefined();
    await expect(verifier.verify({ username: 'user', password: 'new' }, ADDRESS)).rejects.toMatchObject({
      status: 429,
      headers: { 'retry-after': '900' },
    });
    clock.advance({ minutes: 15 });
    expect(await guess(verifier, 'user', 'new')).toBeUndefined();
  });

  test('a hundred wrong ones from an address or its IPv6 block; another address goes on', async () => {
    const verifier = new CredentialVerifier({ users, clock });
    for (let at = 0; at < 100; at += 1) await guess(verifier, `name${at}`, 'x', `2001:db8::${at.toString(16)}`);
    expect(await guess(verifier, 'one', 'x', '2001:db8:0:0:ffff::1')).toBe('TOOMANYREQUESTS');
    expect(await guess(verifier, 'one', 'x', '2001:db8:0:1::1')).toBeUndefined();
    expect(await guess(verifier, 'two', 'x', '::ffff:192.0.2.7')).toBeUndefined();
  });
});

describe('credentials that cannot be looked at', () => {
  test.each(['TOOMANYREQUESTS', 'UNAVAILABLE'] as const)('%s: anybody, where anybody may pull', async (code) => {
    users.failure = new RegistryError(code);
    const of = (path: string, method = 'GET') => {
      const asked = request(basic('somebody', 'of somewhere else'));
      return Object.assign(asked, { url: path, method });
    };
    expect(await access().authenticate(of('/v2/open-org/app/manifests/v1'))).toBeUndefined();
    expect(await access().authenticate(of('/v2/open-org/app/manifests/v1', 'PUT'))).toBeUndefined();
    for (const path of [
      '/v2/closed-org/app/manifests/v1',
      '/v2/hosted-org/app/manifests/v1',
      '/v2/',
      '/api/v1/user/',
    ]) {
      await expect(access().authenticate(of(path))).rejects.toBe(users.failure);
    }
  });
});

describe('authorization', () => {
  const actions = ['pull', 'push', 'delete', 'read-settings', 'write-settings', 'administer'] as const;

  test('administrators may do everything', async () => {
    const subject = access();
    const admin = await subject.authenticate(request(basic('admin', 'right')));
    for (const action of actions) {
      expect(await subject.authorize(admin, action, action === 'administer' ? {} : { organization: closed })).toBe(
        true,
      );
    }
    expect(await subject.authorize({ name: 'admin' }, 'administer', {})).toBe(true);
  });

  test('members read, admins of an organization write there; with a token as with a password', async () => {
    roles.set(`${closed} user`, 'member').set(`${hosted} user`, 'admin');
    const subject = access();
    const allowed = async (principal: Principal | undefined, organization: OrganizationName) => {
      const found = [];
      for (const action of actions)
        if (await subject.authorize(principal, action, { organization })) found.push(action);
      return found.join(' ');
    };
    for (const header of [basic('user', 'plain user'), 'Bearer token-of-user']) {
      const user = await subject.authenticate(request(header));
      expect(await allowed(user, closed)).toBe('pull read-settings');
      expect(await allowed(user, hosted)).toBe('pull push delete read-settings write-settings');
      expect(await subject.authorize(user, 'administer', {})).toBe(false);
    }
    expect(await allowed(undefined, hosted)).toBe('');
    roles.clear();
  });

  test('everybody else may pull where anonymous pull is on, and nothing more', async () => {
    const subject = access();
    const user = await subject.authenticate(request(basic('user', 'plain user')));
    for (const principal of [undefined, user, { name: 'user' }, { name: 'nobody' }]) {
      for (const organization of [open, closed, hosted]) {
        for (const action of actions) {
          const expected = action === 'pull' && organization === open;
          expect(await subject.authorize(principal, action, { organization })).toBe(expected);
        }
      }
      expect(await subject.authorize(principal, 'administer', {})).toBe(false);
      expect(await subject.authorize(principal, 'pull', {})).toBe(false);
    }
  });
});
