import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, chromiumTool, describeWith } from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { axeFindings } from './support/axe.js';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

// Every state of the page: axe finds nothing in any of them, and with BREAKWATER_SCREENSHOTS set to a directory
// (`npm run screenshots`) there is a picture of each.

const PICTURES = process.env['BREAKWATER_SCREENSHOTS'];
/** Tall enough that nothing has to be scrolled for; the page scrolls inside itself. */
const TALL = { width: 1280, height: 2_300 };
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 2_900 };

describeWith(chromiumTool())('every state of the page', () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
    if (PICTURES !== undefined) await mkdir(PICTURES, { recursive: true });
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    site.upstream.clearFaults();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  const settingsOf = (organization: string) => `/organization/${organization}?tab=Settings`;

  async function seen(page: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled' });
    expect([name, await axeFindings(page)]).toEqual([name, []]);
  }

  /** Both themes, and a narrow window. */
  async function seenInEveryWay(page: Page, name: string): Promise<void> {
    await seen(page, name);
    await page.getByTestId('theme').selectOption('dark');
    await seen(page, `${name}-dark`);
    await page.getByTestId('theme').selectOption('light');
    const size = page.viewportSize() ?? WIDE;
    await page.setViewportSize(NARROW);
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect([name, overflow]).toEqual([name, 0]);
    await seen(page, `${name}-narrow`);
    await page.setViewportSize(size);
  }

  /** An organization whose upstream has failed for a while, with pulls that were saved. */
  async function inAnOutage(): Promise<string> {
    const organization = await site.proxying({ staleness_period_s: 259_200, check_interval_s: 3_600 });
    for (const tag of ['v1', 'v2']) expect(await site.pull(organization, tag)).toBe(200);
    site.clock.advance({ minutes: 61 });
    site.upstream.fault({ kind: 'status', status: 503 });
    await pulls(organization, 12);
    site.clock.advance({ minutes: 40 });
    site.upstream.clearFaults();
    site.upstream.fault({ kind: 'no-answer', by: 'reset' });
    await pulls(organization, 30);
    site.clock.advance({ minutes: 20 });
    await pulls(organization, 21);
    return organization;
  }

  async function pulls(organization: string, count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) await site.pull(organization, n % 2 === 0 ? 'v1' : 'v2');
  }

  it('signing in', async () => {
    const { page } = await site.open(browser, '/organization');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByTestId('sign-in-username').waitFor();
    await page.setViewportSize(WIDE);
    await seen(page, 'sign-in');
    await page.getByTestId('sign-in-username').fill('nobody');
    await page.getByTestId('sign-in-password').fill('wrong');
    await page.getByTestId('sign-in-button').click();
    await page.getByTestId('sign-in-failure').waitFor();
    await seen(page, 'sign-in-failed');
  });

  it('organizations: none, many, a search that finds nothing', async () => {
    const organization = await site.organization();
    const member = await site.person(organization, 'member');
    const path = `/api/v1/organization/${organization}/members/${member.username}`;
    const { page } = await site.open(browser, '/organization', member);
    await page.getByTestId('organizations').waitFor();
    await site.breakwater.api('DELETE', path);
    await page.reload();
    await page.getByTestId('no-organizations').waitFor();
    await seenInEveryWay(page, 'organizations-none');

    const { knex } = site.breakwater.state.database;
    await knex.raw(
      `insert into organization (name, created_at) select 'many' || lpad(n::text, 3, '0'), 0 from generate_series(1, 150) n`,
    );
    const all = await site.open(browser, '/organization', undefined, WIDE);
    await all.page.getByTestId('organizations').waitFor();
    await all.page.getByRole('button', { name: 'Show more' }).click();
    await all.page.getByText('many150').waitFor();
    await seenInEveryWay(all.page, 'organizations');
    await all.page.getByRole('textbox', { name: 'Search organizations' }).fill('none is called that');
    await all.page.getByText('Nothing found').waitFor();
    await seen(all.page, 'organizations-not-found');
  });

  it('nothing configured yet, mistakes, an upstream that does not answer', async () => {
    const organization = await site.organization();
    const { page } = await site.open(browser, settingsOf(organization), undefined, TALL);
    await page.getByTestId('remote-registry-input').waitFor();
    await seenInEveryWay(page, 'new');
    await page.getByTestId('well-known-registry').selectOption('docker.io');
    await page.getByTestId('staleness-period-input').fill('three');
    await page.getByTestId('remote-registry-username').fill('bot');
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByTestId('form-mistakes').waitFor();
    await seen(page, 'mistakes');
    await page.getByTestId('staleness-period-input').fill('3');
    await page.getByTestId('remote-registry-username').fill('');
    await page.getByTestId('remote-registry-input').fill('registry.isolated.invalid');
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByTestId('save-failure').waitFor();
    await seen(page, 'save-failed');
  });

  it('loading, and an API that fails', async () => {
    const organization = await site.proxying();
    const { page } = await site.open(browser, settingsOf(organization), undefined, WIDE);
    let go = () => undefined as undefined;
    const held = new Promise<void>((resolve) => {
      go = () => void resolve();
    });
    await page.route('**/proxycache', async (route) => {
      await held;
      await route.continue();
    });
    await page.reload();
    await page.getByText('Loading the settings').waitFor({ state: 'attached' });
    await seen(page, 'loading');
    go();
    await page.getByTestId('upstream-status').waitFor();
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    const refused = {
      status: 503,
      headers: { 'x-request-id': 'b1946ac9' },
      json: { detail: 'the database cannot be reached', error_type: 'unavailable' },
    };
    await page.route('**/proxycache/health', (route) => route.fulfill(refused));
    await page.reload();
    await page.getByText('The status of the upstream could not be loaded').waitFor();
    await seen(page, 'status-failed');
    await page.route('**/proxycache', (route) => route.fulfill(refused));
    await page.reload();
    await page.getByText('The settings could not be loaded').waitFor();
    await seen(page, 'failed');
  });

  it('configured, deleted, not saved, as a member, without rights', async () => {
    const organization = await site.proxying({ staleness_period_s: 259_200, check_interval_s: 14_400 });
    const admin = await site.person(organization, 'admin');
    expect(await site.pull(organization)).toBe(200);
    const { page } = await site.open(browser, settingsOf(organization), admin, TALL);
    await page.getByTestId('upstream-status-label').getByText('Up').waitFor();
    await seenInEveryWay(page, 'settings');
    await page.getByRole('button', { name: 'More settings' }).click();
    await page.getByTestId('staleness-period-input').fill('7');
    await seen(page, 'unsaved');
    await page.getByTestId('delete-proxy-cache-btn').click();
    await page.getByRole('dialog').waitFor();
    await page.setViewportSize(WIDE);
    await seen(page, 'delete');
    await page.keyboard.press('Escape');
    await page.setViewportSize(TALL);
    const changed = { staleness_period_s: 604_800, anonymous_pull: false };
    await site.breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, changed);
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByTestId('settings-conflict').waitFor();
    await seen(page, 'conflict');

    const member = await site.person(organization, 'member');
    const seenByMember = await site.open(browser, settingsOf(organization), member, TALL);
    await seenByMember.page.getByText('You can see these settings').waitFor();
    await seen(seenByMember.page, 'member');
    await seenByMember.page.goto(`${site.breakwater.url}${settingsOf('somebodyelses')}`);
    await seenByMember.page.getByTestId('no-rights').waitFor();
    await seen(seenByMember.page, 'no-rights');
  });

  it('an outage, its timeline as chart and table, a session that ends', async () => {
    const organization = await inAnOutage();
    const { page, context } = await site.open(browser, settingsOf(organization), undefined, TALL);
    await page.getByTestId('degraded').waitFor();
    await seenInEveryWay(page, 'outage');
    await page.setViewportSize(WIDE);
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByTestId('chart-masked_error').waitFor();
    await seenInEveryWay(page, 'timeline');
    await page.getByTestId('timeline-as-table').click();
    await page.getByTestId('timeline-table').waitFor();
    await seenInEveryWay(page, 'timeline-table');
    await page.getByRole('button', { name: '30 days' }).click();
    await page.getByTestId('timeline-table').waitFor();
    await page.getByRole('tab', { name: 'Cached images' }).click();
    await page.getByTestId('tag-team/app:v1').waitFor();
    await seenInEveryWay(page, 'cached');
    await page.getByTestId('purge').click();
    await page.getByTestId('preview-purge').waitFor();
    await seen(page, 'purge-choice');
    await page.getByTestId('purge-all').check();
    await page.getByTestId('preview-purge').click();
    await page.getByTestId('confirm-purge').waitFor();
    await seen(page, 'purge-preview');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('tab', { name: 'Client set-up' }).click();
    await page.getByTestId('client-setup').waitFor();
    await page.setViewportSize(TALL);
    await seenInEveryWay(page, 'clients');
    await page.setViewportSize(WIDE);
    await context.clearCookies();
    await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor();
    await seen(page, 'session-ended');
  });

  it('nothing to show on the timeline', async () => {
    const organization = await site.proxying();
    site.upstream.add('team/other', 'v1', buildImage({ seed: 'other' }));
    const { page } = await site.open(browser, settingsOf(organization), undefined, WIDE);
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByTestId('timeline-empty').waitFor();
    await seen(page, 'timeline-empty');
    await page.getByRole('tab', { name: 'Cached images' }).click();
    await page.getByTestId('no-tags').waitFor();
    await seen(page, 'cached-none');
  });
});
