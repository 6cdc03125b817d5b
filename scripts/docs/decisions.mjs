import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = /^(\d{4})-[a-z0-9-]+\.md$/;
const TEMPLATE = '0000';

/**
 * A list of the pages of a folder of decisions, each by the heading it has.
 *
 * @throws Error for a page whose name, number or heading is not as it should be
 */
export function listDecisions(folder) {
  const pages = readdirSync(folder)
    .sort()
    .map((name) => decision(name, readFileSync(join(folder, name), 'utf8')));
  pages.forEach(({ number, name }, at) => {
    if (pages[at - 1]?.number === number) {
      throw new Error(
        `docs/decisions/${name}: ${number} is the number of ${pages[at - 1].name}, too; give it a free one`,
      );
    }
  });
  return pages
    .filter(({ number }) => number !== TEMPLATE)
    .map(({ name, title }) => `- [${title}](decisions/${name})`)
    .join('\n');
}

function decision(name, text) {
  const number = PAGE.exec(name)?.[1];
  if (number === undefined) throw new Error(`docs/decisions/${name}: call it NNNN-what-it-is-about.md`);
  const [heading] = text.split('\n', 1);
  const start = `# ${number}. `;
  if (!heading.startsWith(start))
    throw new Error(`docs/decisions/${name}: its first line has to begin with "${start}"`);
  return { name, number, title: heading.slice(start.length) };
}
