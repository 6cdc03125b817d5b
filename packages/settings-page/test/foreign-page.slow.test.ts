import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromiumTool, describeWith, runProgram } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { openPage, startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

// The component in a page that is not ours, built by its own bundler from what the package publishes.

const SOURCE = fileURLToPath(new URL('./foreign-page', import.meta.url));
const VITE = fileURLToPath(new URL('../../../node_modules/.bin/vite', import.meta.url));
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

describeWith(chromiumTool())('in a foreign React page', () => {
  let browser: Browser;
  let site: Site;
  let built: string;
  beforeAll(async () => {
    built = await mkdtemp(join(tmpdir(), 'breakwater-foreign-page-'));
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
    const args = ['build', SOURCE, '--outDir', built, '--emptyOutDir', '--base', '/theirs/', '--logLevel', 'warn'];
    expect(await runProgram(VITE, args)).toMatchObject({ exitCode: 0 });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
    await rm(built, { recursive: true, force: true });
  });

  it('the settings are shown and saved, with the credentials of that page', async () => {
    const organization = await site.proxying();
    const { page, complaints } = await openPage(browser);
    await page.route('**/theirs/**', async (route) => {
      const name = new URL(route.request().url()).pathname.replace('/theirs/', '') || 'index.html';
      const contentType = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
      await route.fulfill({ contentType, body: await readFile(join(built, name)) });
    });
    const authorization = `Basic ${Buffer.from('admin:the password of the tests').toString('base64')}`;
    await page.goto(`${site.breakwater.url}/theirs/?${new URLSearchParams({ organization, authorization })}`);
    await page.getByTestId('staleness-period-input').fill('4');
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByText('Your changes have been saved').first().waitFor();
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 345_600 });
    await page.getByRole('tab', { name: 'Client set-up' }).click();
    await page.getByTestId('snippet-docker').getByText('docker pull registry.example.com').waitFor();
    // Credentials that are not good any more: that page has no dialog of ours.
    await page.evaluate(`history.replaceState(undefined, '', location.href.replace(/authorization=[^&]*/, ''))`);
    await page.getByRole('tab', { name: 'Configuration' }).click();
    await page.getByTestId('staleness-period-input').fill('5');
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByTestId('save-failure').getByText('You are not signed in any more').waitFor();
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 345_600 });
    await page.getByTestId('test-connection').click();
    await page.getByText('The connection could not be tested').waitFor();
    expect(complaints).toEqual([]);
  });
});
