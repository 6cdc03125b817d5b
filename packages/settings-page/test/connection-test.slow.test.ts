import { chromiumTool, describeWith } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

describeWith(chromiumTool())('testing a connection in a browser', () => {
  let browser: Browser;
  let site: Site;
  let organization: string;
  let page: Page;
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
  });
  beforeEach(async () => {
    for (const context of browser.contexts()) await context.close();
    site.upstream.clearFaults();
    site.upstream.setAuth({ kind: 'none' });
    organization = await site.organization();
    ({ page } = await site.open(browser, `/organization/${organization}?tab=Settings`));
    await page.getByTestId('remote-registry-input').fill(site.upstream.host);
    await page.getByTestId('remote-registry-insecure').check();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  const test = () => page.getByTestId('test-connection').click();

  async function outcome(step: string): Promise<string | null> {
    return page.getByTestId(`step-${step}`).getAttribute('data-outcome');
  }

  it('step by step, and nothing is saved', async () => {
    await page.getByTestId('sample-image').fill('team/app:v1');
    await test();
    await page.getByTestId('connection-report').waitFor();
    for (const step of ['name', 'address', 'connection', 'registry', 'sample']) {
      expect([step, await outcome(step)]).toEqual([step, 'success']);
    }
    expect((await site.settings(organization))['upstream_registry']).toBe('');
  });

  it('an image that is not there, an upstream that is none, credentials that are wrong', async () => {
    await page.getByTestId('sample-image').fill('team/none:v1');
    await page.keyboard.press('Enter');
    await page.getByTestId('step-sample').getByText('no such image').waitFor();
    expect(await outcome('registry')).toBe('success');

    site.upstream.fault({ kind: 'captive-portal' });
    await test();
    await page.getByTestId('step-registry').getByText('not of a web page').waitFor();
    expect(await outcome('sample')).toBe('skipped');

    site.upstream.clearFaults();
    site.upstream.setAuth({ kind: 'basic', username: 'bot', password: 'right' });
    await page.getByTestId('remote-registry-username').fill('bot');
    await page.getByTestId('remote-registry-password').fill('wrong');
    await test();
    await page.getByTestId('step-token').getByText('Check user name and password').waitFor();
  });

  it('a name that does not resolve fails at the first step; what cannot be tried is said at its field', async () => {
    await page.getByTestId('remote-registry-input').fill('registry.isolated.invalid');
    await test();
    await page.getByTestId('step-name').getByText('Check the spelling of the host').waitFor();
    expect(await outcome('connection')).toBe('skipped');
    await page.getByTestId('remote-registry-input').fill('');
    await test();
    await page.locator('#remote-registry-help').getByText('is required').waitFor();
  });
});
