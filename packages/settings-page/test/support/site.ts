import {
  buildImage,
  type FaultUpstream,
  type MovableClock,
  movableClock,
  rawGet,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryOptions,
} from '@breakwater/test-kit';
import type { Browser } from 'playwright-core';
import { type OpenPage, openPage } from './browser.js';

/** A registry, an upstream for it, and people who may use the page. Time stands still until it is moved. */
export interface Site extends AsyncDisposable {
  readonly breakwater: TestRegistry;
  readonly upstream: FaultUpstream;
  /** The upstream under a name: `registry.example.com:port`. */
  readonly upstreamName: string;
  readonly clock: MovableClock;
  /** Makes an organization that proxies nothing yet, of a name of its own unless told. */
  organization(name?: string): Promise<string>;
  /** Makes an organization that proxies the upstream. */
  proxying(settings?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Makes somebody with a role in an organization. */
  person(organization: string, role: 'admin' | 'member'): Promise<Person>;
  /** Pulls a tag of the image `team/app` and resolves to the status. */
  pull(organization: string, tag?: string): Promise<number>;
  settings(organization: string): Promise<Readonly<Record<string, unknown>>>;
  /** Opens the settings of an organization as somebody who has signed in. */
  open(browser: Browser, path: string, who?: Person, options?: Parameters<typeof openPage>[1]): Promise<OpenPage>;
}

export interface Person {
  readonly username: string;
  readonly password: string;
}

/** The administrator of the test registry. */
const ADMINISTRATOR: Person = { username: 'admin', password: 'the password of the tests' };
let made = 0;

/** Starts a registry and an upstream that has `team/app` with the tags v1 and v2. */
export async function startSite(): Promise<Site> {
  const clock = movableClock(Date.UTC(2026, 2, 4, 14, 14));
  const upstream = await startFaultUpstream({ clock });
  upstream.add('team/app', 'v1', buildImage({ seed: 'v1' }));
  upstream.add('team/app', 'v2', buildImage({ seed: 'v2' }));
  const lookup: TestRegistryOptions['lookup'] = async (host) =>
    host.endsWith('.invalid')
      ? Promise.reject(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }))
      : [{ address: '127.0.0.1', family: 4 }];
  const breakwater = await startTestRegistry({ clock, lookup });

  return {
    breakwater,
    upstream,
    upstreamName: `registry.example.com:${upstream.port}`,
    clock,
    async organization(given) {
      made += 1;
      const name = given ?? `page${made}`;
      await expectStatus(breakwater.api('POST', '/api/v1/organization/', { name }), 201);
      return name;
    },
    proxying: (settings = {}) => breakwater.proxyOrganization({ upstream_registry: upstream.host, ...settings }),
    async person(organization, role) {
      made += 1;
      const username = `person${made}`;
      const password = `a password for ${username}`;
      await expectStatus(breakwater.api('POST', '/api/v1/superuser/users/', { username, password }), 200);
      const path = `/api/v1/organization/${organization}/members/${username}`;
      await expectStatus(breakwater.api('PUT', path, { role }), 200);
      return { username, password };
    },
    async pull(organization, tag = 'v1') {
      const { status } = await rawGet(`${breakwater.url}/v2/${organization}/team/app/manifests/${tag}`);
      return status;
    },
    async settings(organization) {
      const { body } = await breakwater.api('GET', `/api/v1/organization/${organization}/proxycache`);
      return body as Readonly<Record<string, unknown>>;
    },
    async open(browser, path, who = ADMINISTRATOR, options = {}) {
      const opened = await openPage(browser, options);
      const { page } = opened;
      await page.goto(`${breakwater.url}/signin?next=${encodeURIComponent(path)}`);
      await page.getByTestId('sign-in-username').fill(who.username);
      await page.getByTestId('sign-in-password').fill(who.password);
      await page.getByTestId('sign-in-button').click();
      await page.waitForURL(`${breakwater.url}${path}`);
      return opened;
    },
    async [Symbol.asyncDispose]() {
      await breakwater.close();
      await upstream.close();
    },
  };
}

async function expectStatus(answer: Promise<{ readonly status: number; readonly body: unknown }>, status: number) {
  const { status: got, body } = await answer;
  if (got !== status) throw new Error(`${got} instead of ${status}: ${JSON.stringify(body)}`);
}
