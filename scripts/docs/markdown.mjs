import { posix } from 'node:path';

/** A table as the formatter has it: every column as wide as its widest cell. */
export function table(headers, rows) {
  const cells = [headers, ...rows].map((row) => row.map((cell) => String(cell).replaceAll('|', '\\|')));
  const widths = headers.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const [head, ...body] = cells;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join('\n');
}

/** Text set as code. */
export function code(text) {
  return `\`${text}\``;
}

const PART = /<!-- generated: ([a-z-]+) -->\n[\s\S]*?<!-- end -->/g;

/**
 * A page with each part between `<!-- generated: name -->` and `<!-- end -->` made anew.
 *
 * @throws Error when the page asks for a part that there is not
 */
export function fill(page, parts) {
  return page.replaceAll(PART, (_, name) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`there is no generated part "${name}"`);
    return `<!-- generated: ${name} -->\n\n${part}\n\n<!-- end -->`;
  });
}

/** The names of the parts that a page asks for. */
export function partsOf(page) {
  return [...page.matchAll(PART)].map(([, name]) => name);
}

/**
 * Links that lead nowhere, one line each.
 *
 * @param file path of the page from the root of the repository
 * @param exists tells whether there is a file or folder at a path from the root
 * @param headings gives the headings of a page
 */
export function deadLinks(file, page, exists, headings) {
  const text = page.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path, anchor] = target.split('#');
    const to = path === '' ? file : posix.join(posix.dirname(file), path);
    if (!exists(to)) return [`${file}: ${target} leads nowhere`];
    if (anchor === undefined || headings(to).some((heading) => slug(heading) === anchor)) return [];
    return [`${file}: ${target} has no such heading`];
  });
}

/** The headings of a page. */
export function headingsOf(page) {
  return [...page.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
}

function slug(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
