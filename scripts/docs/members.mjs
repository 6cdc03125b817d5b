import { code, table } from './markdown.mjs';

/**
 * The members of an exported interface with what their docstrings say of them, as a table: so that the page of a package
 * cannot fall behind its code.
 *
 * @throws Error when the interface is not there, or a member has no docstring
 */
export function membersTable(source, name) {
  const body = new RegExp(`^export interface ${name} (?:extends [^{]+)?\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source)?.[1];
  if (body === undefined) throw new Error(`there is no interface ${name} where it is looked for`);
  const rows = [...body.matchAll(/(?:^ {2}\/\*\*([\s\S]*?)\*\/\n)?^ {2}(?:readonly )?(\w+)(\?)?(\()?/gm)].map(
    ([, doc, member, optional, isMethod]) => {
      if (doc === undefined) throw new Error(`${name}.${member} has no docstring`);
      return [
        code(`${member}${isMethod === undefined ? '' : '()'}`),
        optional === undefined ? '' : 'optional',
        said(doc),
      ];
    },
  );
  const withoutOptional = rows.every(([, optional]) => optional === '');
  return withoutOptional
    ? table(
        ['member', 'what'],
        rows.map(([member, , what]) => [member, what]),
      )
    : table(['option', '', 'what'], rows);
}

/** A docstring as one line, without its tags. */
function said(doc) {
  return doc
    .split('\n')
    .map((line) => line.replace(/^ *\*? ?/, '').trim())
    .join(' ')
    .replace(/\s*@(?:throws|param|returns)\b.*$/, '')
    .trim()
    .replace(/\.$/, '');
}
