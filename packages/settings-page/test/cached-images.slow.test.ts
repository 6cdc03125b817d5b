import { buildImage, chromiumTool, describeWith } from '@breakwater/test-kit';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

describeWith(chromiumTool())('cached images in a browser', () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite()]);
    site.upstream.add('team/app', 'moving', buildImage({ seed: 'before' }));
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  async function openTags(organization: string, who?: Parameters<Site['open']>[2]): Promise<Page> {
    const { page } = await site.open(browser, `/organization/${organization}?tab=Settings`, who);
    await page.getByRole('tab', { name: 'Cached images' }).click();
    await page.getByTestId('cached-tags').waitFor();
    return page;
  }

  const row = (page: Page, tag: string) => page.getByTestId(`tag-team/app:${tag}`);

  async function act(page: Page, tag: string, action: string): Promise<void> {
    await row(page, tag).getByRole('button').click();
    await page.getByRole('menuitem', { name: action }).click();
  }

  /** What is done in the background goes by the clock of the registry. */
  async function whileTimePasses(wait: () => Promise<void>): Promise<void> {
    const passing = setInterval(() => site.clock.advance({ seconds: 1 }), 100);
    await wait().finally(() => clearInterval(passing));
  }

  async function tagsOf(organization: string): Promise<readonly string[]> {
    const { body } = await site.breakwater.api('GET', `/api/v1/organization/${organization}/proxycache/tags`);
    return (body as { readonly tags: readonly { readonly reference: string }[] }).tags.map(
      ({ reference }) => reference,
    );
  }

  it('nothing yet, then what was pulled with what is left of each clock', async () => {
    const organization = await site.proxying({ staleness_period_s: 259_200, check_interval_s: 3_600 });
    const page = await openTags(organization);
    await page.getByTestId('no-tags').waitFor();
    await site.pull(organization);
    await row(page, 'v1').waitFor({ timeout: 20_000 });
    await row(page, 'v1').getByText('Fresh').waitFor();
    await row(page, 'v1').locator('[data-label="Still fresh"]', { hasText: '1 hour' }).waitFor();
    site.clock.advance({ minutes: 70 });
    await row(page, 'v1').getByText('Stale').waitFor({ timeout: 20_000 });
    await row(page, 'v1').locator('[data-label="Still fresh"]', { hasText: 'over' }).waitFor();
    await row(page, 'v1').locator('[data-label="Still shielded"]', { hasText: '2 days 22 hours' }).waitFor();
  });

  it('is checked now: confirmed, moved, failed', async () => {
    const organization = await site.proxying({ staleness_period_s: 259_200 });
    await site.pull(organization, 'moving');
    const page = await openTags(organization);
    await act(page, 'moving', 'Check now');
    await page.getByText('team/app:moving is confirmed').first().waitFor();
    site.upstream.move('team/app', 'moving', buildImage({ seed: 'after' }));
    await act(page, 'moving', 'Check now');
    await page.getByText('team/app:moving has moved').first().waitFor();
    const failing = site.upstream.fault({ kind: 'status', status: 503 });
    await act(page, 'moving', 'Check now');
    await page.getByText('team/app:moving could not be checked').first().waitFor();
    await page.getByTestId('upstream-status-label').getByText('Down').waitFor();
    failing.clear();
    await page.getByTestId('check-now').click();
    await page.getByTestId('upstream-status-label').getByText('Up').waitFor();
  });

  it('a purge takes exactly what its preview has shown, and no pinned image', async () => {
    const organization = await site.proxying();
    for (const tag of ['v1', 'v2', 'moving']) await site.pull(organization, tag);
    const page = await openTags(organization);
    await act(page, 'v1', 'Pin');
    await row(page, 'v1').getByText('Pinned', { exact: true }).waitFor();
    await page.getByTestId('purge').click();
    await page.getByTestId('purge-repository').check();
    await page.getByTestId('purge-repository-name').fill('team/app');
    await page.getByTestId('preview-purge').click();
    const previewed = page.getByTestId('purge-references').getByRole('listitem');
    await previewed.first().waitFor();
    await expect(previewed.allTextContents()).resolves.toEqual(['team/app:moving', 'team/app:v2']);
    await page.getByText('1 pinned tag stays.').waitFor();
    // The way back, and what was typed is still there.
    await page.getByTestId('purge-back').click();
    await expect(page.getByTestId('purge-repository-name').inputValue()).resolves.toBe('team/app');
    await page.getByTestId('purge-repository-name').fill('');
    await page.getByTestId('preview-purge').click();
    await page.getByText('The repository is required').waitFor();
    await page.getByTestId('purge-repository-name').fill('Not A Repository');
    await page.getByTestId('preview-purge').click();
    await page.getByTestId('purge-dialog').getByText('must be the name of a repository').waitFor();
    await expect(page.getByTestId('purge-repository-name').inputValue()).resolves.toBe('Not A Repository');
    await page.getByTestId('purge-repository-name').fill('team/app');
    await page.getByTestId('preview-purge').click();
    await previewed.first().waitFor();
    // What appears after the preview was not shown, so it does not go.
    site.upstream.add('team/app', 'later', buildImage({ seed: 'later' }));
    await site.pull(organization, 'later');
    expect(await tagsOf(organization)).toHaveLength(4);
    await page.getByTestId('confirm-purge').click();
    await page.getByText('2 tags purged').first().waitFor();
    expect(await tagsOf(organization)).toEqual(['team/app:later', 'team/app:v1']);
    await row(page, 'v2').waitFor({ state: 'detached' });
  });

  it('images are fetched before somebody pulls them, of a list and of a manifest', async () => {
    const organization = await site.proxying();
    const page = await openTags(organization);
    await page.getByTestId('warm').click();
    await page.getByTestId('warm-references').fill('team/app:v1\nteam/none:v1');
    await page.getByTestId('start-warm').click();
    await whileTimePasses(async () => {
      await page.getByTestId('warm-team/app:v1').getByText('Cached').waitFor();
      await page.getByTestId('warm-team/none:v1').getByText('Failed').waitFor();
    });
    await page.getByRole('button', { name: 'Close', exact: true }).last().click();
    await row(page, 'v1').waitFor();
    await page.getByTestId('warm-note').getByText('1 image of 2 fetched, 1 failed').waitFor();
    await page.getByText('Show them').click();
    await page.getByTestId('warm-team/none:v1').getByText('Failed').waitFor();
    await page.getByRole('button', { name: 'Close', exact: true }).last().click();

    await page.getByTestId('warm').click();
    const manifest = `kind: Pod\nspec:\n  containers:\n    - image: ${site.upstream.host}/team/app:v2\n    - image: quay.io/other/app`;
    await page.getByTestId('warm-references').fill(manifest);
    await page.getByTestId('start-warm').click();
    await whileTimePasses(() => page.getByTestId('warm-team/app:v2').getByText('Cached').waitFor());
    await page.getByText('quay.io/other/app').waitFor();
    await page.getByRole('button', { name: 'Close', exact: true }).last().click();
    await row(page, 'v2').waitFor();
  });

  it('what would be missed in an outage is said before it is purged', async () => {
    const organization = await site.proxying();
    await site.pull(organization);
    const failing = site.upstream.fault({ kind: 'status', status: 503 });
    await site.pull(organization, 'v2');
    const page = await openTags(organization);
    await page.getByTestId('in-use-team/app:v1').getByText('1 day').waitFor();
    await act(page, 'v1', 'Purge');
    await page.getByText('The upstream is down: what goes now cannot be had again').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    failing.clear();
    expect(await tagsOf(organization)).toEqual(['team/app:v1']);
  });

  it('very many: searched, filtered, sorted, page by page', async () => {
    const organization = await site.proxying();
    await site.pull(organization);
    const { knex } = site.breakwater.state.database;
    await knex.raw(
      `insert into cached_tag select (jsonb_populate_record(t, jsonb_build_object('tag', 'n' || lpad(n::text, 5, '0')))).*
       from cached_tag t, generate_series(1, 12000) n where t.organization = ?`,
      [organization],
    );
    const page = await openTags(organization);
    await page.getByTestId('tags-shown').getByText('1 to 25 of 10,000 or more').waitFor();
    await page.getByRole('button', { name: 'Image', exact: true }).click();
    await row(page, 'n00001').waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await row(page, 'n00026').waitFor();
    await page.getByTestId('tags-shown').getByText('26 to 50').waitFor();
    await page.getByRole('button', { name: 'Previous' }).click();
    await row(page, 'n00001').waitFor();
    await page.getByRole('textbox', { name: 'Search cached images' }).fill('N1199');
    await page.getByTestId('tags-shown').getByText('1 to 10 of 10').waitFor();
    await page.getByTestId('tag-state').selectOption('lapsed');
    await page.getByTestId('no-tags-found').waitFor();
  });

  it('a member sees what is cached and can do nothing to it', async () => {
    const organization = await site.proxying();
    await site.pull(organization);
    const page = await openTags(organization, await site.person(organization, 'member'));
    await row(page, 'v1').waitFor();
    await expect(row(page, 'v1').getByRole('button').count()).resolves.toBe(0);
    await expect(page.getByTestId('purge').count()).resolves.toBe(0);
  });
});
