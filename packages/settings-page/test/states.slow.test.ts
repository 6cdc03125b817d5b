import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, chromiumTool, describeWith, rawGet } from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { axeFindings } from './support/axe.js';
import { type OpenPage, startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

// Every state of the page: axe finds nothing in any of them, and with BREAKWATER_SCREENSHOTS set to a directory
// (`npm run screenshots`) there is a picture of each.

const PICTURES = process.env['BREAKWATER_SCREENSHOTS'];
/** Tall enough that nothing has to be scrolled for; the page scrolls inside itself. */
const TALL = { width: 1280, height: 2_500 };
const WIDE = { width: 1280, height: 900 };
const HIGH = { width: 1280, height: 1_220 };
const NARROW = { width: 360, height: 3_300 };

describeWith(chromiumTool())('every state of the page', () => {
  let browser: Browser;
  let site: Site;
  const opened: OpenPage[] = [];
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
    if (PICTURES !== undefined) await mkdir(PICTURES, { recursive: true });
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    site.upstream.clearFaults();
    // Errors of scripts, and what the content security policy has refused.
    expect(opened.splice(0).flatMap(({ complaints }) => complaints)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  const open: Site['open'] = async (...wanted) => {
    const page = await site.open(...wanted);
    opened.push(page);
    return page;
  };
  const settingsOf = (organization: string) => `/organization/${organization}?tab=Settings`;

  async function seen(page: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled' });
    expect([name, await axeFindings(page)]).toEqual([name, []]);
  }

  /** A section of the form, with some space around it. */
  async function pictureOf(page: Page, section: string, name: string): Promise<void> {
    const box = await page.getByRole('group', { name: section }).boundingBox();
    if (PICTURES === undefined || box === null) return;
    const clip = { x: box.x - 20, y: box.y - 20, width: box.width + 40, height: box.height + 20 };
    await page.screenshot({ path: join(PICTURES, `${name}.png`), clip });
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

  const IMAGES: readonly [string, string][] = [
    ['library/nginx', '1.27'],
    ['library/postgres', '17'],
    ['library/redis', '7'],
    ['prometheus/prometheus', 'v3.5.0'],
    ['team/app', 'v1'],
    ['team/app', 'v2'],
  ];

  /** An organization that is used, with what was counted of it in the last day. */
  async function inUse(name: string): Promise<string> {
    const organization = await site.organization(name);
    const path = `/api/v1/organization/${organization}/proxycache`;
    const { status } = await site.breakwater.api('POST', path, {
      upstream_registry: site.upstreamName,
      insecure: true,
      anonymous_pull: true,
      staleness_period_s: 259_200,
      check_interval_s: 3_600,
      expiration_s: 604_800,
      prefetch: 'image',
    });
    expect(status).toBe(201);
    for (const [repository, tag] of IMAGES) {
      site.upstream.add(repository, tag, buildImage({ seed: repository, layers: [300_000, 40_000] }));
      await pullWhole(organization, repository, tag);
    }
    await untilComplete(path);
    return organization;
  }

  /** What is behind a pull has been fetched. */
  async function untilComplete(path: string): Promise<void> {
    for (let attempt = 0; attempt < 150; attempt += 1) {
      const { body } = await site.breakwater.api('GET', `${path}/health`);
      const { cached, missing } = body as { cached: { tags: number }; missing: { contents: number } };
      if (cached.tags === IMAGES.length && missing.contents === 0) return;
      site.clock.advance({ ms: 100 });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the images are still incomplete');
  }

  /** Its upstream has failed for a while, and pulls were saved. */
  async function inAnOutage(name: string): Promise<string> {
    const organization = await inUse(name);
    site.clock.advance({ minutes: 61 });
    site.upstream.fault({ kind: 'status', status: 503 });
    for (const [repository, tag] of IMAGES) await pullWhole(organization, repository, tag);
    site.clock.advance({ minutes: 40 });
    site.upstream.clearFaults();
    site.upstream.fault({ kind: 'no-answer', by: 'reset' });
    for (const [repository, tag] of IMAGES.slice(0, 4)) await pullWhole(organization, repository, tag);
    // An outage of the night before, as pulls of many machines leave it behind.
    await site.breakwater.state.database.knex.raw(
      `insert into outage_minute (organization, minute, kind, failure_class, count)
       select :organization, date_trunc('minute', :now::timestamptz) - n * interval '1 minute', kind, class,
              case when kind = 'shielded_pull' then 3 + (n * 7) % 11 else 1 end
       from generate_series(500, 760) n,
            (values ('shielded_pull', 'timeout', 500, 640), ('masked_error', 'timeout', 500, 640),
                    ('shielded_pull', 'server_error', 600, 760), ('masked_error', 'server_error', 600, 760),
                    ('passed_error', 'server_error', 735, 745)) kinds (kind, class, earliest, latest)
       where n between earliest and latest and (kind <> 'masked_error' or n % 3 = 0)`,
      { organization, now: new Date(site.clock.now()) },
    );
    return organization;
  }

  async function pullWhole(organization: string, repository: string, tag: string): Promise<void> {
    const { url } = site.breakwater;
    const { status } = await rawGet(`${url}/v2/${organization}/${repository}/manifests/${tag}`);
    expect([repository, status]).toEqual([repository, 200]);
  }

  it('signing in', async () => {
    const { page } = await open(browser, '/organization');
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
    const { page } = await open(browser, '/organization', member);
    await page.getByTestId('organizations').waitFor();
    await site.breakwater.api('DELETE', path);
    await page.reload();
    await page.getByTestId('no-organizations').waitFor();
    await seen(page, 'organizations-none');

    const { knex } = site.breakwater.state.database;
    await knex.raw(
      `insert into organization (name, created_at) select 'many' || lpad(n::text, 3, '0'), 0 from generate_series(1, 150) n`,
    );
    const all = await open(browser, '/organization', undefined, WIDE);
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
    const { page } = await open(browser, settingsOf(organization), undefined, TALL);
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
    const { page } = await open(browser, settingsOf(organization), undefined, WIDE);
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
    const organization = await inUse('lab');
    const admin = await site.person(organization, 'admin');
    const { page } = await open(browser, settingsOf(organization), admin, TALL);
    await page.getByTestId('upstream-status-label').getByText('Up').waitFor();
    await seenInEveryWay(page, 'settings');
    await page.getByTestId('sample-image').fill('library/nginx:1.27');
    await page.getByTestId('test-connection').click();
    await page.getByTestId('connection-report').waitFor();
    await seen(page, 'connection-test');
    await pictureOf(page, 'Protection and freshness', 'clocks');
    await page.getByTestId('sample-image').fill('library/none:1');
    await page.getByTestId('test-connection').click();
    await page.getByTestId('step-sample').getByText('no such image').waitFor();
    await seen(page, 'connection-test-failed');
    await page.getByRole('button', { name: 'More settings' }).click();
    await page.getByTestId('has-quota').check();
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
    const seenByMember = await open(browser, settingsOf(organization), member, TALL);
    await seenByMember.page.getByText('You can see these settings').waitFor();
    await seen(seenByMember.page, 'member');
    await seenByMember.page.goto(`${site.breakwater.url}${settingsOf('somebodyelses')}`);
    await seenByMember.page.getByTestId('no-rights').waitFor();
    await seen(seenByMember.page, 'no-rights');
  });

  it('an outage, its timeline as chart and table, a session that ends', async () => {
    const organization = await inAnOutage('dockerhub');
    const { page, context } = await open(browser, settingsOf(organization), undefined, TALL);
    await page.getByTestId('degraded').waitFor();
    await seenInEveryWay(page, 'outage');
    await page.setViewportSize(HIGH);
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByTestId('chart-masked_error').waitFor();
    await seenInEveryWay(page, 'timeline');
    await page.getByTestId('timeline-as-table').click();
    await page.getByTestId('timeline-table').waitFor();
    await seen(page, 'timeline-table');
    await page.getByRole('button', { name: '30 days' }).click();
    await page.getByTestId('timeline-table').waitFor();
    await page.getByRole('tab', { name: 'Cached images' }).click();
    await page.getByTestId('tag-library/nginx:1.27').waitFor();
    await seenInEveryWay(page, 'cached');
    await page.getByTestId('tag-library/nginx:1.27').getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Check now' }).waitFor();
    await seen(page, 'cached-actions');
    await page.keyboard.press('Escape');
    await page.getByTestId('warm').click();
    await page.getByTestId('warm-references').fill('library/nginx:1.27\nlibrary/none:1');
    await seen(page, 'fetch');
    await page.getByTestId('start-warm').click();
    await page.getByTestId('warm-progress').waitFor();
    await seen(page, 'fetching');
    await page.getByRole('button', { name: 'Close', exact: true }).last().click();
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
    const { page } = await open(browser, settingsOf(organization), undefined, WIDE);
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByTestId('timeline-empty').waitFor();
    await seen(page, 'timeline-empty');
    await page.getByRole('tab', { name: 'Cached images' }).click();
    await page.getByTestId('no-tags').waitFor();
    await seen(page, 'cached-none');
  });
});
