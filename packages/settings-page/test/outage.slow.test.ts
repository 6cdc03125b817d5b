import {
  buildImage,
  chromiumTool,
  type DockerRegistry,
  describeWith,
  dockerRegistryTool,
  type MovableClock,
  skopeoCopy,
  skopeoPush,
  skopeoTool,
  startDockerRegistry,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './support/browser.js';
import { type Site, startSite } from './support/site.js';

// What an administrator sees of an outage that is real: a foreign registry is killed, a real client pulls.

describeWith(
  chromiumTool(),
  skopeoTool(),
  dockerRegistryTool(),
)('an outage in a browser', () => {
  let browser: Browser;
  let site: Site;
  let clock: MovableClock;
  let registry: DockerRegistry;
  beforeAll(async () => {
    [browser, site, registry] = await Promise.all([startBrowser(), startSite(), startDockerRegistry()]);
    clock = site.clock;
    const to = `docker://${registry.host}/team/app:v1`;
    const pushed = await skopeoPush({ image: buildImage({ seed: 'outage' }), to });
    expect(pushed.exitCode).toBe(0);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
    await registry?.stop();
  });

  async function pull(organization: string): Promise<number | null> {
    const from = `docker://${site.breakwater.host}/${organization}/team/app:v1`;
    await using copied = await skopeoCopy({ from });
    return copied.exitCode;
  }

  const status = (page: Page, text: string) => page.getByTestId('upstream-status-label').getByText(text).waitFor();

  it('it turns the status, appears on the timeline, and a longer period brings lapsed images back', async () => {
    const organization = await site.proxying({
      upstream_registry: registry.host,
      staleness_period_s: 3_600,
      check_interval_s: 0,
    });
    const { page, complaints } = await site.open(browser, `/organization/${organization}?tab=Settings`);
    await status(page, 'Not asked yet');
    expect(await pull(organization)).toBe(0);
    await status(page, 'Up');
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByTestId('timeline-empty').waitFor();

    await registry.kill();
    clock.advance({ minutes: 30 });
    expect(await pull(organization)).toBe(0);
    await status(page, 'Down');
    await page.getByTestId('degraded').getByText('cannot be connected to').waitFor();
    await page.getByTestId('protection').getByText('1 pull saved, none failed in this outage.').waitFor();
    await page.getByTestId('first-lapse').getByText('it lapses in 30 minutes').waitFor();
    await page.getByTestId('timeline-sum').getByText('1 pull saved, 1 error masked, 0 errors passed on').waitFor();
    await page.getByTestId('chart-masked_error').getByText('No connection').waitFor();
    await page.getByTestId('timeline-as-table').click();
    const cells = page.getByTestId('timeline-table').locator('tbody td');
    await cells.first().waitFor();
    await expect(cells.allTextContents()).resolves.toEqual([expect.any(String), '1', '1', '0']);

    clock.advance({ minutes: 31 });
    expect(await pull(organization)).not.toBe(0);
    await page.getByTestId('first-lapse').getByText('The one cached image is not shielded any more.').waitFor();
    await page.getByRole('tab', { name: 'Configuration' }).click();
    await page.getByTestId('staleness-period-input').fill('3');
    await page.getByTestId('staleness-period-unit').selectOption('days');
    await page.getByTestId('save-proxy-cache-btn').click();
    await page.getByText('Your changes have been saved').first().waitFor();
    expect(await pull(organization)).toBe(0);
    await page.getByTestId('first-lapse').getByText('it lapses in 2 days 22 hours').waitFor();

    await registry.start();
    clock.advance({ minutes: 10 });
    expect(await pull(organization)).toBe(0);
    await status(page, 'Up');
    await expect(page.getByTestId('degraded').count()).resolves.toBe(0);
    expect(complaints).toEqual([]);
  });
});
