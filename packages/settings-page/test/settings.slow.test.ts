import { chromiumTool, describeWith } from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

describeWith(chromiumTool())('settings in a browser', () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  const settingsOf = (organization: string) => `/organization/${organization}?tab=Settings`;
  const save = (page: Page) => page.getByTestId('save-proxy-cache-btn').click();
  const saved = (page: Page) => page.getByText('Your changes have been saved').first().waitFor();
  const value = (page: Page, testId: string) => page.getByTestId(testId).inputValue();

  it('a staleness period of 3 days, set by its unit, is kept', async () => {
    const organization = await site.proxying();
    const { page, complaints } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('staleness-period-input').fill('3');
    await page.getByTestId('staleness-period-unit').selectOption('days');
    await expect(page.getByTestId('staleness-sentence').textContent()).resolves.toBe(
      `If ${site.upstream.host} fails, images confirmed within the last 3 days are still served; older ones fail with 503. ` +
        'An image in regular use survives an outage of at least 18 hours.',
    );
    await page.getByTestId('unsaved-changes').waitFor();
    await save(page);
    await saved(page);
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 259_200 });
    await page.reload();
    expect(await value(page, 'staleness-period-input')).toBe('3');
    expect(await value(page, 'staleness-period-unit')).toBe('days');
    await expect(page.getByTestId('unsaved-changes').count()).resolves.toBe(0);
    expect(complaints).toEqual([]);
  });

  it('every field that is saved is the one that is shown', async () => {
    const organization = await site.proxying();
    const { page } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('staleness-period-input').fill('36');
    await page.getByTestId('staleness-period-unit').selectOption('hours');
    await page.getByTestId('check-interval').check();
    await page.getByTestId('check-interval-input').fill('90');
    await page.getByTestId('check-interval-unit').selectOption('minutes');
    await page.getByTestId('remote-registry-expiration').fill('0');
    await page.getByTestId('serve-when-removed').uncheck();
    await page.getByTestId('serve-when-denied').uncheck();
    await page.getByTestId('anonymous-pull').uncheck();
    await page.getByTestId('remote-registry-username').fill('bot');
    await page.getByTestId('remote-registry-password').fill('a token');
    await page.getByRole('button', { name: 'More settings' }).click();
    await page.getByTestId('prefetch').selectOption('off');
    await save(page);
    await saved(page);
    const stored = await site.settings(organization);
    expect(stored).toMatchObject({
      staleness_period_s: 129_600,
      check_interval_s: 5_400,
      expiration_s: 0,
      serve_when_removed: false,
      serve_when_denied: false,
      anonymous_pull: false,
      prefetch: 'off',
      has_credentials: true,
    });
    expect(await page.content()).not.toContain('a token');
    await page.reload();
    expect(await value(page, 'check-interval-input')).toBe('90');
    expect(await value(page, 'remote-registry-password')).toBe('');
    await page.getByTestId('check-always').check();
    await page.getByTestId('remove-credentials').check();
    await save(page);
    await saved(page);
    expect(await site.settings(organization)).toMatchObject({ check_interval_s: 0, has_credentials: false });
  });

  it('mistakes stand at their fields, those that only the API sees as well', async () => {
    const organization = await site.proxying();
    const before = await site.settings(organization);
    const { page } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('staleness-period-input').fill('1.5');
    await page.getByTestId('remote-registry-input').fill('https://docker.io');
    await save(page);
    await page.getByText('Staleness period must be a whole number of days').waitFor();
    await page.locator('[data-testid="staleness-period-input"]:focus').waitFor();
    await page.getByTestId('staleness-period-input').fill('2');
    await save(page);
    const problem = page.locator('#remote-registry-help');
    await problem.getByText(/Remote registry .*https/).waitFor();
    await page.locator('[data-testid="remote-registry-input"]:focus').waitFor();
    await expect(page.getByTestId('remote-registry-input').getAttribute('aria-invalid')).resolves.toBe('true');
    expect(await value(page, 'staleness-period-input')).toBe('2');
    expect(await site.settings(organization)).toEqual(before);
    await page.getByRole('button', { name: 'Discard changes' }).click();
    expect(await value(page, 'remote-registry-input')).toBe(site.upstream.host);
  });

  it('a stored password does not follow to another host, and the page says why', async () => {
    const organization = await site.proxying({
      upstream_registry_username: 'bot',
      upstream_registry_password: 'right',
    });
    const { page } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('remote-registry-input').fill('registry.other.example');
    await save(page);
    await page.locator('#remote-registry-password-help').getByText('must be given in the same request').waitFor();
  });

  it('two administrators: neither overwrites the other unseen', async () => {
    const organization = await site.proxying();
    const first = await site.open(browser, settingsOf(organization));
    const second = await site.open(browser, settingsOf(organization), await site.person(organization, 'admin'));
    await first.page.getByTestId('staleness-period-input').fill('3');
    await second.page.getByTestId('remote-registry-expiration').fill('30');
    await save(first.page);
    await saved(first.page);
    await save(second.page);
    const conflict = second.page.getByTestId('settings-conflict');
    await conflict.waitFor();
    expect(await conflict.textContent()).toContain('Staleness period: 1 day → 3 days');
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 259_200, expiration_s: 86_400 });
    await second.page.getByText('Keep my changes on top of theirs').click();
    expect(await value(second.page, 'staleness-period-input')).toBe('3');
    await save(second.page);
    await saved(second.page);
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 259_200, expiration_s: 2_592_000 });
  });

  it('two administrators: a password that was replaced is told, though it cannot be shown', async () => {
    const organization = await site.proxying({
      upstream_registry_username: 'bot',
      upstream_registry_password: 'before',
    });
    const { page } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('remote-registry-expiration').fill('30');
    const path = `/api/v1/organization/${organization}/proxycache`;
    await site.breakwater.api('PUT', path, { upstream_registry_password: 'after' });
    await save(page);
    await page.getByTestId('settings-conflict').getByText('The stored username or password').waitFor();
  });

  it('two administrators: one deletes what the other edits, who creates it again or gives up', async () => {
    const organization = await site.proxying();
    const path = `/api/v1/organization/${organization}/proxycache`;
    const { page } = await site.open(browser, settingsOf(organization));
    const edit = async () => {
      await page.getByTestId('staleness-period-input').fill('3');
      await site.breakwater.api('DELETE', path);
      await save(page);
      await page.getByTestId('settings-deleted').waitFor();
      expect(await value(page, 'staleness-period-input')).toBe('3');
    };
    await edit();
    await page.getByText('Create it again with what I typed').click();
    await save(page);
    await page.getByText('Successfully configured proxy cache').first().waitFor();
    expect(await site.settings(organization)).toMatchObject({
      upstream_registry: site.upstream.host,
      staleness_period_s: 259_200,
    });
    await page.getByTestId('upstream-status').waitFor();
    await page.getByTestId('staleness-period-input').fill('9');
    await site.breakwater.api('DELETE', path);
    await save(page);
    await page.getByText('Discard what I typed').click();
    expect(await value(page, 'remote-registry-input')).toBe('');
    await expect(page.getByTestId('unsaved-changes').count()).resolves.toBe(0);
  });

  it('a session that ends: signing in goes on with what was typed', async () => {
    const organization = await site.proxying();
    const admin = await site.person(organization, 'admin');
    const { page, context } = await site.open(browser, settingsOf(organization), admin);
    await page.getByTestId('staleness-period-input').fill('5');
    await context.clearCookies();
    await save(page);
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
    await dialog.getByTestId('sign-in-password').fill('wrong');
    await dialog.getByTestId('sign-in-button').click();
    await dialog.getByTestId('sign-in-failure').waitFor();
    await dialog.getByTestId('sign-in-password').fill(admin.password);
    await dialog.getByTestId('sign-in-button').click();
    await dialog.waitFor({ state: 'detached' });
    expect(await value(page, 'staleness-period-input')).toBe('5');
    await save(page);
    await saved(page);
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 432_000 });
  });

  it('a session that ends: the page can be left, after a question about what is not saved', async () => {
    const { page, context } = await site.open(browser, settingsOf(await site.proxying()));
    await page.getByTestId('staleness-period-input').fill('5');
    await context.clearCookies();
    await save(page);
    await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor();
    const questions: string[] = [];
    const leave = async (answer: 'accept' | 'dismiss') => {
      const asked = page.waitForEvent('dialog');
      const left = page.getByTestId('leave-page').click();
      const question = await asked;
      questions.push(question.type());
      await question[answer]();
      await left;
    };
    await leave('dismiss');
    expect(await value(page, 'staleness-period-input')).toBe('5');
    page.once('dialog', () => page.once('dialog', (again) => questions.push(`again: ${again.type()}`)));
    await leave('accept');
    await page.getByTestId('sign-in-username').waitFor();
    expect(questions).toEqual(['confirm', 'confirm']);
    expect(new URL(page.url()).pathname).toBe('/signin');
  });

  it('signing out that fails says so', async () => {
    const { page } = await site.open(browser, settingsOf(await site.proxying()));
    await page.route('**/signout', (route) => route.fulfill({ status: 503, json: { detail: 'no database' } }));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You have not been signed out').waitFor();
    await page.unroute('**/signout');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByTestId('sign-in-username').waitFor();
  });

  it('another tab signs in anew: what is typed here is saved all the same', async () => {
    const organization = await site.proxying();
    const { page, context } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('staleness-period-input').fill('5');
    const answer = await context.request.post(`${site.breakwater.url}/api/v1/signin`, {
      data: site.breakwater.administrator,
    });
    expect(answer.status()).toBe(200);
    await save(page);
    await saved(page);
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 432_000 });
  });

  it('a member sees everything and can change nothing', async () => {
    const organization = await site.proxying({ staleness_period_s: 259_200 });
    const member = await site.person(organization, 'member');
    const { page } = await site.open(browser, settingsOf(organization), member);
    await page.getByText('You can see these settings, but not change them').waitFor();
    expect(await value(page, 'staleness-period-input')).toBe('3');
    for (const testId of ['staleness-period-input', 'save-proxy-cache-btn', 'delete-proxy-cache-btn']) {
      await expect(page.getByTestId(testId).isDisabled()).resolves.toBe(true);
    }
    await page.goto(`${site.breakwater.url}${settingsOf(await site.organization())}`);
    await page.getByTestId('no-rights').waitFor();
  });

  it('where nothing is configured a member is told so, and sees no settings that nobody has made', async () => {
    const organization = await site.organization();
    const { page } = await site.open(browser, settingsOf(organization), await site.person(organization, 'member'));
    await page.getByTestId('not-configured').waitFor();
    await expect(page.getByTestId('staleness-period-input').count()).resolves.toBe(0);
    const admin = await site.open(browser, settingsOf(organization));
    await admin.page.getByTestId('not-configured-yet').waitFor();
    await expect(admin.page.getByTestId('delete-proxy-cache-btn').isVisible()).resolves.toBe(false);
  });

  it('everything is done by keyboard alone', async () => {
    const organization = await site.proxying();
    const { page } = await site.open(browser, settingsOf(organization));
    await page.getByTestId('staleness-period-input').waitFor();
    await page.keyboard.press('Tab');
    await expect(page.locator(':focus').textContent()).resolves.toBe('Skip to content');
    const tabTo = async (testId: string) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if ((await page.locator(':focus').getAttribute('data-testid')) === testId) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`${testId} cannot be reached with the tabulator`);
    };
    await tabTo('staleness-period-input');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('2');
    await tabTo('check-once');
    await page.keyboard.press('ArrowDown');
    await tabTo('delete-proxy-cache-btn');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByTestId('staleness-period-input').focus();
    await page.keyboard.press('Enter');
    await saved(page);
    expect(await site.settings(organization)).toMatchObject({ staleness_period_s: 172_800, check_interval_s: 0 });
  });

  it('the browser asks before it leaves what is not saved', async () => {
    const { page } = await site.open(browser, settingsOf(await site.proxying()));
    await page.getByTestId('staleness-period-input').fill('9');
    const asked = page.waitForEvent('dialog');
    const leaving = page.reload().catch(() => undefined);
    const dialog = await asked;
    expect(dialog.type()).toBe('beforeunload');
    await dialog.accept();
    await leaving;
    expect(await value(page, 'staleness-period-input')).toBe('1');
  });

  it('so does the page itself, for its links and for the way back', async () => {
    const organization = await site.proxying();
    const { page } = await site.open(browser, '/organization');
    await page.getByRole('link', { name: organization }).click();
    await page.getByTestId('staleness-period-input').fill('9');
    for (const leave of [
      () => page.getByRole('link', { name: 'Organizations' }).click(),
      () => page.evaluate('history.back()'),
    ]) {
      const asked = page.waitForEvent('dialog');
      const leaving = leave();
      await (await asked).dismiss();
      await leaving;
      await page.waitForURL(`${site.breakwater.url}${settingsOf(organization)}`);
      expect(await value(page, 'staleness-period-input')).toBe('9');
    }
    page.once('dialog', (dialog) => dialog.accept());
    await page.getByRole('link', { name: 'Organizations' }).click();
    await page.getByTestId('organizations').waitFor();
  });

  it('what an upstream says is text and never code', async () => {
    const organization = await site.proxying();
    const evil = '<img src=x onerror="window.pwned=1">';
    const { page } = await site.open(browser, settingsOf(organization));
    await page.route('**/proxycache/health', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), upstream: evil } });
    });
    await page.reload();
    await page.getByText(evil, { exact: false }).first().waitFor();
    expect(await page.evaluate('window.pwned')).toBeUndefined();
  });
});
