import { chromiumTool, describeWith } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

// What Quay's own browser tests expect of this tab, in our words: the same steps, the same test ids.

describeWith(chromiumTool())("Quay's scenarios", () => {
  let browser: Browser;
  let site: Site;
  let organization: string;
  let page: Page;
  /** Requests to the API that were answered with a status of failure. */
  let refusals: string[];
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    for (const context of browser.contexts()) await context.close();
    site.upstream.setAuth({ kind: 'none' });
    organization = await site.organization();
    ({ page } = await site.open(browser, `/organization/${organization}?tab=Settings`));
    refusals = [];
    page.on('response', (answer) => {
      if (answer.status() >= 400) refusals.push(`${answer.status()} ${new URL(answer.url()).pathname}`);
    });
    await page.getByText('Proxy Cache').click();
  });

  async function save(): Promise<void> {
    await page.getByTestId('save-proxy-cache-btn').click();
  }

  async function expectNotSaved(said: string): Promise<void> {
    await page.getByText(said).first().waitFor();
    await expect(page.getByTestId('save-proxy-cache-btn').isEnabled()).resolves.toBe(true);
    await expect(page.getByTestId('delete-proxy-cache-btn').isEnabled()).resolves.toBe(false);
    expect((await site.settings(organization))['upstream_registry']).toBe('');
  }

  it('life: an anonymous configuration is made, is there, and is deleted', async () => {
    await page.getByTestId('remote-registry-input').fill(site.upstream.host);
    await page.getByTestId('remote-registry-insecure').check();
    await save();
    await page.getByText('Successfully configured proxy cache').first().waitFor();
    expect(await site.settings(organization)).toMatchObject({
      upstream_registry: site.upstream.host,
      insecure: true,
      expiration_s: 86_400,
      has_credentials: false,
    });
    await page.getByTestId('delete-proxy-cache-btn').click();
    await page.getByTestId('confirm-delete').click();
    await page.getByText('Successfully deleted proxy cache configuration').first().waitFor();
    expect((await site.settings(organization))['upstream_registry']).toBe('');
    await expect(page.getByTestId('remote-registry-input').inputValue()).resolves.toBe('');
  });

  it('credentials that the upstream refuses are said to be refused, and nothing is saved', async () => {
    site.upstream.setAuth({ kind: 'basic', username: 'bot', password: 'right' });
    await page.getByTestId('remote-registry-input').fill(site.upstream.host);
    await page.getByTestId('remote-registry-insecure').check();
    await page.getByTestId('remote-registry-username').fill('invaliduser');
    await page.getByTestId('remote-registry-password').fill('invalidpass');
    await page.getByTestId('remote-registry-expiration-unit').selectOption('seconds');
    await page.getByTestId('remote-registry-expiration').fill('76400');
    await save();
    await expectNotSaved('Failed login to remote registry');
  });

  it.each(['immutability', 'org-mirror'])('no feature for %s is asked for, and none is in the way', async (feature) => {
    await page.getByTestId('remote-registry-input').fill('docker.io');
    await expect(page.getByTestId('save-proxy-cache-btn').isEnabled()).resolves.toBe(true);
    for (const alert of ['error', 'conflict']) {
      await expect(page.getByTestId(`${feature}-${alert}-alert`).count()).resolves.toBe(0);
    }
    expect(refusals).toEqual([]);
  });

  it.each([
    ['of a private network', '10.0.0.1'],
    ['of cloud metadata', '169.254.169.254'],
  ])('an address %s is not allowed', async (_kind, address) => {
    await page.getByTestId('remote-registry-input').fill(address);
    await save();
    await expectNotSaved('The provided registry URL is not allowed');
    await expect(page.getByTestId('save-untried').count()).resolves.toBe(0);
  });

  it('a name that does not resolve now can be saved all the same', async () => {
    await page.getByTestId('remote-registry-input').fill('registry.isolated.invalid');
    await save();
    await page.getByTestId('save-failure').waitFor();
    await expectNotSaved('Check the spelling of the host');
    await page.getByTestId('save-untried').click();
    await page.getByText('Successfully configured proxy cache').first().waitFor();
    expect((await site.settings(organization))['upstream_registry']).toBe('registry.isolated.invalid');
  });

  it('a name that is no organization has no such tab', async () => {
    await page.goto(`${site.breakwater.url}/organization/admin?tab=Settings`);
    await page.getByTestId('no-rights').waitFor();
    await expect(page.getByText('Proxy Cache').count()).resolves.toBe(0);
  });
});
