/**
 * What a TypeScript file imports and calls, as far as the import fences need it. It is no parser: it blanks comments
 * and the insides of strings, then looks for statements in the shape that the formatter gives them.
 *
 * Resolves to `imports`, each `{ from, typeOnly, names, line }` where `names` is undefined for anything but a list in
 * braces, and to `fetchLines`, the lines that call the global fetch.
 */
export function scan(source) {
  const { code, strings } = blank(source);
  const lineAt = (index) => code.slice(0, index).split('\n').length;
  const imports = [];
  const add = (match, typeOnly, names, literal) =>
    imports.push({ from: strings[Number(literal)], typeOnly, names, line: lineAt(match.index) });
  for (const match of code.matchAll(/^(?:import|export)\s+(type\s+)?([^;"]*?)\s*\bfrom\s+"(\d+)"/gm)) {
    add(match, match[1] !== undefined, namesIn(match[2]), match[3]);
  }
  for (const match of code.matchAll(/^import\s+"(\d+)"/gm)) add(match, false, undefined, match[1]);
  for (const match of code.matchAll(/(?<![.\w$])(?:import|require)\s*\(\s*"(\d+)"/g)) {
    // `typeof import('x')` and `import('x').Name` in a type are types; there is no telling here, so they count.
    add(match, false, undefined, match[1]);
  }
  return { imports, fetchLines: [...globalFetches(code)].map(lineAt) };
}

/** The imported names, or undefined when the whole module is taken. */
function namesIn(clause) {
  const list = /^\{([^}]*)\}$/.exec(clause.trim());
  if (list === null) return undefined;
  return list[1]
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('type '))
    .map((each) => each.split(/\s+as\s+/)[0]);
}

function* globalFetches(code) {
  for (const match of code.matchAll(/(?<![\w$#.])(globalThis\s*\.\s*)?fetch\s*\(/g)) {
    if (match[1] === undefined && isMethodDefinition(code, match.index + match[0].length)) continue;
    yield match.index;
  }
}

/** Whether the parenthesis that has just opened closes before a body or a return type. */
function isMethodDefinition(code, start) {
  let depth = 1;
  let at = start;
  for (; at < code.length && depth > 0; at += 1) {
    if (code[at] === '(') depth += 1;
    else if (code[at] === ')') depth -= 1;
  }
  return /^\s*[:{]/.test(code.slice(at));
}

/** Comments become spaces, and a string becomes its number in double quotes; lines stay where they are. */
function blank(source) {
  const strings = [];
  let code = '';
  let at = 0;
  const templates = [];
  const skipTo = (end) => {
    code += source.slice(at, end).replaceAll(/[^\n]/g, ' ');
    at = end;
  };
  while (at < source.length) {
    const char = source[at];
    const two = source.slice(at, at + 2);
    if (two === '//') {
      skipTo(endOr(source.indexOf('\n', at), source));
    } else if (two === '/*') {
      skipTo(endOr(source.indexOf('*/', at + 2), source, 2));
    } else if (char === '"' || char === "'") {
      const end = endOfQuoted(source, at, char);
      code += `"${strings.push(source.slice(at + 1, end - 1)) - 1}"`;
      at = end;
    } else if (char === '`' || (char === '}' && templates.at(-1) === 0)) {
      if (char === '}') templates.pop();
      const end = endOfTemplatePart(source, at + 1);
      if (source[end - 1] === '{') templates.push(0);
      skipTo(end);
    } else if (char === '/' && /(?:^|[(,=:[!&|?{};+\n]|\breturn|=>)\s*$/.test(code.slice(-40))) {
      skipTo(endOfRegExp(source, at));
    } else {
      if (templates.length > 0 && char === '{') templates[templates.length - 1] += 1;
      if (templates.length > 0 && char === '}') templates[templates.length - 1] -= 1;
      code += char;
      at += 1;
    }
  }
  return { code, strings };
}

function endOr(index, source, length = 0) {
  return index === -1 ? source.length : index + length;
}

function endOfQuoted(source, start, quote) {
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === quote || source[at] === '\n') return at + 1;
  }
  return source.length;
}

/** Just behind the closing back-tick, or behind the `${` that interrupts the text. */
function endOfTemplatePart(source, start) {
  for (let at = start; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '`') return at + 1;
    else if (source[at] === '$' && source[at + 1] === '{') return at + 2;
  }
  return source.length;
}

function endOfRegExp(source, start) {
  let inClass = false;
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '[') inClass = true;
    else if (source[at] === ']') inClass = false;
    else if (source[at] === '\n' || (source[at] === '/' && !inClass)) return at + 1;
  }
  return source.length;
}
