import { createSign, generateKeyPairSync } from 'node:crypto';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { RegistryTokens } from './registry-tokens.js';

// S28: what a token has to be, and whatever else is not one.

const key = new Uint8Array(32).fill(7);
const clock = movableClock();
const tokens = new RegistryTokens({ key, service: 'registry.example', clock });
const somebody = { name: 'somebody', passwordHash: 'a hash' };
const access = [{ type: 'repository', name: 'org/app', actions: ['pull'] }] as const;

test('a token says what it was made with', async () => {
  const { text, expiresIn } = await tokens.issue(somebody, access);
  expect(await tokens.read(text)).toEqual({
    user: 'somebody',
    credential: tokens.credentialOf(somebody),
    grants: access,
    expiresAt: clock.now() + expiresIn * 1000,
  });
});

test('it tells whether the password is another one by now, and nothing of the password', async () => {
  const of = (name: string, passwordHash: string) => tokens.credentialOf({ name, passwordHash });
  expect(new Set([of('a', 'b'), of('a', 'c'), of('b', 'b')]).size).toBe(3);
  const { text } = await tokens.issue(somebody, access);
  expect(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()).not.toContain('a hash');
  expect((await tokens.read((await tokens.issue(undefined, access)).text))?.credential).toBe('');
});

test('it ends to the second, and does not begin before it was made', async () => {
  const at = clock.now();
  const { text, expiresIn } = await tokens.issue(somebody, access);
  clock.set(at + expiresIn * 1000 - 1);
  expect(await tokens.read(text)).toBeDefined();
  clock.set(at + expiresIn * 1000);
  expect(await tokens.read(text)).toBeUndefined();
  clock.set(at - 1000);
  expect(await tokens.read(text)).toBeUndefined();
  clock.set(at);
});

function made(alg = 'HS256'): { readonly claims: SignJWT; readonly seconds: number } {
  const seconds = Math.floor(clock.now() / 1000);
  const claims = new SignJWT({ access, credential: 'any' })
    .setProtectedHeader({ alg })
    .setSubject('somebody')
    .setIssuer('registry.example')
    .setAudience('registry.example')
    .setNotBefore(seconds)
    .setExpirationTime(seconds + 60);
  return { claims, seconds };
}

test('one of the same claims made elsewhere with the key is read; each of them is needed', async () => {
  expect(await tokens.read(await made().claims.sign(key))).toBeDefined();
  const wrong = {
    'another key': made().claims.sign(new Uint8Array(32).fill(8)),
    'another audience': made().claims.setAudience('other.example').sign(key),
    'another issuer': made().claims.setIssuer('other.example').sign(key),
    'another algorithm': made('HS384').claims.sign(key),
    'not yet': made()
      .claims.setNotBefore(made().seconds + 1)
      .sign(key),
    'over since a second': made()
      .claims.setExpirationTime(made().seconds - 1)
      .sign(key),
    'without an end': new SignJWT({ access, credential: 'any' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('somebody')
      .setIssuer('registry.example')
      .setAudience('registry.example')
      .setNotBefore(0)
      .sign(key),
    'without a word on the password': new SignJWT({ access, sub: 'a', nbf: 0, exp: made().seconds + 60 })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('registry.example')
      .setAudience('registry.example')
      .sign(key),
    'access that is no list': new SignJWT({
      access: '*',
      credential: 'any',
      sub: 'a',
      nbf: 0,
      exp: made().seconds + 60,
    })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('registry.example')
      .setAudience('registry.example')
      .sign(key),
  };
  for (const [what, signing] of Object.entries(wrong))
    expect([what, await tokens.read(await signing)]).toEqual([what, undefined]);
});

test('alg none, RS256 and a changed claim are refused', async () => {
  const { text } = await tokens.issue(somebody, access);
  const [, payload = '', signature = ''] = text.split('.');
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  expect(await tokens.read(`${part({ alg: 'none' })}.${payload}.`)).toBeUndefined();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rsa = `${part({ alg: 'RS256' })}.${payload}`;
  const signed = createSign('RSA-SHA256').update(rsa).sign(privateKey).toString('base64url');
  expect(await tokens.read(`${rsa}.${signed}`)).toBeUndefined();
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  expect(
    await tokens.read(`${part({ alg: 'HS256' })}.${part({ ...claims, sub: 'admin' })}.${signature}`),
  ).toBeUndefined();
  expect(await tokens.read('nonsense')).toBeUndefined();
});
