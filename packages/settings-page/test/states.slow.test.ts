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
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 900 };
/** What the upstream is called in pictures: one that everybody knows, and the same each time. */
const SHOWN_UPSTREAM = 'docker.io';

/** The height of the page with all that its scrolling part has; 0 while a dialog is open. */
const WHOLE_HEIGHT = `(() => {
  const scrolling = document.querySelector('.pf-v6-c-page__main-container');
  if (scrolling === null || document.querySelector('[role="dialog"]') !== null) return 0;
  const top = scrolling.getBoundingClientRect().top;
  return Math.ceil(top + document.querySelector('.pf-v6-c-page__main').scrollHeight + 24);
})()`;

/**
 * What reaches beyond the right edge of the page or of the dialog before it, which both hide it without a word. Code and tabs,
 * which are scrolled sideways in themselves, and what only readers of screens get, do not count.
 */
const STANDS_OUT = `(() => {
  const whole = document.querySelector('[role="dialog"]') ?? document.querySelector('.pf-v6-c-page__main-container') ?? document.body;
  const edge = whole.getBoundingClientRect().right + 0.5;
  const excused = (element) =>
    element.closest('.pf-v6-c-code-block__content, .pf-v6-c-tabs, .pf-v6-c-skip-to-content, .pf-v6-screen-reader') !== null ||
    getComputedStyle(element).visibility === 'hidden';
  return [...whole.querySelectorAll('*')]
    .filter((element) => {
      const { right, width, height } = element.getBoundingClientRect();
      return width > 0 && height > 0 && right > edge && !excused(element);
    })
    .map((element) => element.tagName + '.' + String(element.className?.baseVal ?? element.className).slice(0, 60) + ': ' + element.textContent.slice(0, 60));
})()`;

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

  /** The same, with another name for the upstream in what the page reads. */
  const openNamed: Site['open'] = async (...wanted) => {
    const found = await open(...wanted);
    await found.page.route('**/api/v1/organization/**', async (route) => {
      if (route.request().method() !== 'GET') return route.fallback();
      const response = await route.fetch();
      const body = (await response.text())
        .replaceAll(site.upstreamName, SHOWN_UPSTREAM)
        .replace('"insecure":true', '"insecure":false');
      return route.fulfill({ response, body });
    });
    await found.page.reload();
    return found;
  };
  const settingsOf = (organization: string) => `/organization/${organization}?tab=Settings`;

  async function seen(page: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await picture(page, join(PICTURES, `${name}.png`));
    expect([name, await axeFindings(page)]).toEqual([name, []]);
  }

  /** The whole page, which scrolls inside itself; of a dialog what a window shows. */
  async function picture(page: Page, path: string): Promise<void> {
    const size = page.viewportSize() ?? WIDE;
    await page.mouse.move(0, 0);
    const height = await page.evaluate<number>(WHOLE_HEIGHT);
    if (height > size.height) await page.setViewportSize({ ...size, height });
    await page.screenshot({ path, animations: 'disabled' });
    if (height > size.height) await page.setViewportSize(size);
  }

  /** A section of the form, with some space around it. */
  async function pictureOf(page: Page, section: string, name: string): Promise<void> {
    if (PICTURES === undefined) return;
    const size = page.viewportSize() ?? WIDE;
    await page.setViewportSize({ ...size, height: await page.evaluate<number>(WHOLE_HEIGHT) });
    const box = await page.getByRole('group', { name: section }).boundingBox();
    const { x, y, width, height } = box ?? { x: 20, y: 20, ...size };
    const clip = { x: x - 20, y: y - 20, width: width + 40, height: height + 20 };
    await page.screenshot({ path: join(PICTURES, `${name}.png`), clip, animations: 'disabled' });
    await page.setViewportSize(size);
  }

  /** Both themes, and a narrow window. */
  async function seenInEveryWay(page: Page, name: string): Promise<void> {
    await seen(page, name);
    await page.getByTestId('theme').selectOption('dark');
    await seen(page, `${name}-dark`);
    await page.getByTestId('theme').selectOption('light');
    await seenNarrow(page, name);
  }

  /** In a window of a telephone nothing stands out at the right. */
  async function seenNarrow(page: Page, name: string): Promise<void> {
    const size = page.viewportSize() ?? WIDE;
    await page.setViewportSize(NARROW);
    await page.evaluate('new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))');
    expect([name, await page.evaluate<readonly string[]>(STANDS_OUT)]).toEqual([name, []]);
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
    const { page } = await open(browser, settingsOf(organization), undefined, WIDE);
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
    const { page } = await openNamed(browser, settingsOf(organization), admin, WIDE);
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
    await seen(page, 'delete');
    await page.keyboard.press('Escape');
    const changed = { staleness_period_s: 604_800, anonymous_pull: false };
    await site.breakwater.api('PUT', `/api/v1/organization/${organization}/proxycache`, changed);
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByTestId('settings-conflict').waitFor();
    await seen(page, 'conflict');

    const member = await site.person(organization, 'member');
    const seenByMember = await open(browser, settingsOf(organization), member, WIDE);
    await seenByMember.page.getByText('You can see these settings').waitFor();
    await seen(seenByMember.page, 'member');

    await page.getByText('Keep my changes on top of theirs').click();
    await site.breakwater.api('DELETE', `/api/v1/organization/${organization}/proxycache`);
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByTestId('settings-deleted').waitFor();
    await seen(page, 'deleted-by-somebody-else');

    const nothing = await site.organization();
    await site.breakwater.api('PUT', `/api/v1/organization/${nothing}/members/${member.username}`, { role: 'member' });
    await seenByMember.page.goto(`${site.breakwater.url}${settingsOf(nothing)}`);
    await seenByMember.page.getByTestId('not-configured').waitFor();
    await seen(seenByMember.page, 'not-configured');
    await seenByMember.page.goto(`${site.breakwater.url}${settingsOf('somebodyelses')}`);
    await seenByMember.page.getByTestId('no-rights').waitFor();
    await seen(seenByMember.page, 'no-rights');
  });

  it('an outage, its timeline as chart and table, a session that ends', async () => {
    const organization = await inAnOutage('dockerhub');
    const { page, context } = await openNamed(browser, settingsOf(organization), undefined, WIDE);
    await page.getByTestId('degraded').waitFor();
    await seenInEveryWay(page, 'outage');
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
    await page.getByRole('menuitem', { name: 'Pin' }).click();
    await page.getByText('library/nginx:1.27 is pinned').first().waitFor();
    await seen(page, 'toast');
    await page.getByTestId('tag-library/nginx:1.27').getByText('Pinned', { exact: true }).waitFor();
    await page.getByTestId('check-now').click();
    await page.getByText('Latest failure: it cannot be connected to').nth(1).waitFor();
    await seen(page, 'toast-of-a-failure');
    await page.getByTestId('warm').click();
    await page.getByTestId('warm-references').fill('library/nginx:1.27\nlibrary/none:1');
    await seen(page, 'fetch');
    await page.getByTestId('start-warm').click();
    await page.getByTestId('warm-progress').waitFor();
    await seen(page, 'fetching');
    await page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).last().click();
    await page.getByTestId('warm-note').waitFor();
    await seen(page, 'fetching-goes-on');
    await page.getByTestId('purge').click();
    await page.getByTestId('preview-purge').waitFor();
    await seen(page, 'purge-choice');
    await page.getByTestId('purge-older-than').fill('');
    await page.getByTestId('preview-purge').click();
    await page.getByText('The period must be a whole number').waitFor();
    await seen(page, 'purge-mistake');
    await page.getByTestId('purge-repository').check();
    await page.getByTestId('purge-repository-name').fill('Not A Repository');
    await page.getByTestId('preview-purge').click();
    await page.getByText('Nothing has been purged').waitFor();
    await seen(page, 'purge-refused');
    await page.getByTestId('purge-all').check();
    await page.getByTestId('preview-purge').click();
    await page.getByTestId('confirm-purge').waitFor();
    await seen(page, 'purge-preview');
    await seenNarrow(page, 'purge-preview');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('tab', { name: 'Client set-up' }).click();
    await page.getByTestId('client-setup').waitFor();
    await seenInEveryWay(page, 'clients');
    await context.clearCookies();
    await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor();
    await seen(page, 'session-ended');
  });

  it('a cache that is not well: what the upstream refuses, what is not stored, what is not fetched', async () => {
    const organization = await site.proxying({
      anonymous_pull: false,
      upstream_registry_username: 'bot',
      upstream_registry_password: 'x',
    });
    const { page } = await open(browser, settingsOf(organization), undefined, WIDE);
    await page.getByTestId('check-now').click();
    await page.getByTestId('upstream-status-label').getByText('Up').waitFor();
    const at = new Date(site.clock.now() - 20 * 60_000).toISOString();
    const unwell = {
      storage: { status: 'failing', last_failure_at: at },
      quota: { status: 'full', limit_bytes: 2 ** 40, used_bytes: 2 ** 40, last_not_stored_at: at },
      rate_limit: { limit: 100, remaining: 4, at, low: true },
      hold: { held: true, reason: 'upstream_down', since: at, until: null },
    };
    const kinds = {
      credentials_rejected: 'denied',
      prefetch_failed: 'timeout',
      integrity_failure: 'integrity',
      not_stored: 'storage',
    };
    await page.route('**/proxycache/health', async (route) => {
      const response = await route.fetch();
      const health = (await response.json()) as { readonly missing: object; readonly last_24h: object };
      const counts = Object.fromEntries(
        Object.entries(kinds).map(([kind, failureClass]) => [kind, { [failureClass]: 3 }]),
      );
      const latest = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, at]));
      const missing = { ...health.missing, given_up: 2 };
      await route.fulfill({
        response,
        json: { ...health, ...unwell, missing, last_24h: { ...health.last_24h, counts, latest } },
      });
    });
    for (const id of [
      'credentials-rejected',
      'storage-failing',
      'quota-full',
      'integrity-failure',
      'rate-limit-low',
      'prefetch-failed',
      'hold',
    ]) {
      await page.getByTestId(`warning-${id}`).waitFor();
    }
    await seenInEveryWay(page, 'unwell');
    await page.getByRole('tab', { name: 'Client set-up' }).click();
    await page.getByTestId('clients-sign-in').waitFor();
    await seenInEveryWay(page, 'clients-sign-in');
    await page.route('**/proxycache/health', (route) =>
      route.fulfill({ status: 503, json: { detail: 'the database cannot be reached' } }),
    );
    await page.getByTestId('not-refreshed').waitFor({ timeout: 60_000 });
    await seen(page, 'not-refreshed');
    await page.route('**/proxycache/events**', (route) =>
      route.fulfill({ status: 503, json: { detail: 'the database cannot be reached' } }),
    );
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByText('The timeline could not be loaded').waitFor({ timeout: 60_000 });
    await seen(page, 'timeline-failed');
  });

  it('names as long as they may be, and cached images of every kind', async () => {
    const organization = await site.organization(`o${'rganization'.repeat(20)}`.slice(0, 39));
    const path = `/api/v1/organization/${organization}/proxycache`;
    const upstream = `${'registry-with-a-long-name.'.repeat(7)}example.com:${site.upstream.port}`;
    const settings = {
      upstream_registry: upstream,
      insecure: true,
      anonymous_pull: true,
      prefetch: 'off',
      staleness_period_s: 3_600,
    };
    expect((await site.breakwater.api('POST', path, settings)).status).toBe(201);
    const long = `team/${'a'.repeat(200)}`;
    for (const [repository, tag] of [
      [long, 'v1'],
      ['team/app', 'lapsed'],
      ['team/app', 'pinned'],
    ] as const) {
      site.upstream.add(repository, tag, buildImage({ seed: tag }));
      await pullWhole(organization, repository, tag);
      if (tag === 'lapsed') site.clock.advance({ minutes: 90 });
    }
    await site.breakwater.api('POST', `${path}/pin`, { references: ['team/app:pinned'] });
    const { page } = await open(browser, settingsOf(organization), undefined, WIDE);
    await page.route('**/proxycache/tags**', async (route) => {
      const response = await route.fetch();
      const found = (await response.json()) as { readonly tags: readonly { readonly reference: string }[] };
      const tags = found.tags.map((tag) => ({ ...tag, complete: !tag.reference.startsWith(long) }));
      await route.fulfill({ response, json: { ...found, tags } });
    });
    await page.getByTestId('staleness-period-input').waitFor();
    await seenInEveryWay(page, 'long');
    await page.getByRole('tab', { name: 'Cached images' }).click();
    await page.getByTestId('tag-team/app:pinned').getByText('Pinned', { exact: true }).waitFor();
    await page.getByTestId('tag-team/app:lapsed').getByText('Lapsed', { exact: true }).waitFor();
    await page.getByTestId(`tag-${long}:v1`).getByText('Incomplete').waitFor();
    await seenInEveryWay(page, 'cached-long');
    await page.getByTestId(`tag-${long}:v1`).getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Purge' }).click();
    await page.getByTestId('confirm-purge').waitFor();
    await seenNarrow(page, 'purge-long');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('tab', { name: 'Client set-up' }).click();
    await page.getByTestId('client-setup').waitFor();
    await seenNarrow(page, 'clients-long');
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
