import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** Ends with every transition that is under way: half way between two themes no contrast is right. */
const STILL = `new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))).then(() =>
  Promise.allSettled(
    document.getAnimations()
      .filter(({ effect }) => effect?.getComputedTiming().iterations !== Infinity)
      .map(({ finished }) => finished)))`;

/** What is wrong with a page for people who cannot see it well or use a mouse: each rule of axe, and where it is broken. */
export async function axeFindings(page: Page): Promise<readonly string[]> {
  await page.evaluate(STILL);
  await page.evaluate(axe.source);
  const found = await page.evaluate<readonly { readonly id: string; readonly nodes: readonly { html: string }[] }[]>(
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
  );
  return found.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 300)}`));
}
