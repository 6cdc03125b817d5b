import { chromiumTool, describeWith } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { axeFindings } from './support/axe.js';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

describeWith(chromiumTool())('the settings page in a browser', () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  it('a staleness period of 3 days, set by its unit, is kept', async () => {
    const organization = await site.proxying();
    const { page, complaints } = await site.open(browser, `/organization/${organization}?tab=Settings`);
    await page.getByTestId('staleness-period-input').fill('3');
    await page.getByTestId('staleness-period-unit').selectOption('days');
    await expect(page.getByTestId('staleness-sentence').textContent()).resolves.toBe(
      `If ${site.upstream.host} fails, images confirmed within the last 3 days are still served; older ones fail with 503. ` +
        'An image in regular use survives an outage of at least 18 hours.',
    );
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByText('Your changes have been saved').waitFor();
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 259_200 });
    await page.reload();
    await expect(page.getByTestId('staleness-period-input').inputValue()).resolves.toBe('3');
    await expect(page.getByTestId('staleness-period-unit').inputValue()).resolves.toBe('days');
    expect(await axeFindings(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
