import { createHash } from 'node:crypto';

type Json = Readonly<Record<string, unknown>>;

/** A page, and the policy under which a browser shows it: no script, and no style but its own. */
export interface ReferencePage {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
article { border: 1px solid #8888; border-radius: 0.4rem; padding: 0 1rem; margin: 1rem 0; }
h3 { font-size: 1rem; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; } th, td { text-align: left; padding: 0.2rem 1rem 0.2rem 0; vertical-align: top; }
pre { overflow-x: auto; background: #8882; padding: 0.5rem; } summary { cursor: pointer; }
`;

/** Writes an OpenAPI document as a page that can be read, linked to and searched in, with no script at all. */
export function referencePage(document: Json): ReferencePage {
  const info = object(document['info']);
  const operations = operationsOf(document);
  const tags = [...new Set(operations.map(({ tag }) => tag))].sort();
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(info['title'])}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(info['title'])} ${escaped(info['version'])}</h1>
<p>${escaped(info['description'])} For programs: <a href="openapi.json">openapi.json</a>.</p>
<nav aria-label="Operations"><ul>
${operations.map(({ id, summary }) => `<li><a href="#${escaped(id)}">${escaped(id)}</a>: ${escaped(summary)}</li>`).join('\n')}
</ul></nav>
<main>
${tags
  .map(
    (tag) =>
      `<section><h2>${escaped(tag)}</h2>\n${operations
        .filter((each) => each.tag === tag)
        .map(article)
        .join('\n')}</section>`,
  )
  .join('\n')}
</main>
</body>
</html>
`;
  const style = createHash('sha256').update(STYLE).digest('base64');
  const policy = ["default-src 'none'", `style-src 'sha256-${style}'`, "base-uri 'none'", "frame-ancestors 'none'"];
  return { html, contentSecurityPolicy: policy.join('; ') };
}

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly heading: string;
  readonly facts: Json;
}

function operationsOf(document: Json): readonly Operation[] {
  return Object.entries(object(document['paths'])).flatMap(([path, methods]) =>
    Object.entries(object(methods)).map(([method, facts]) => {
      const operation = object(facts);
      return {
        id: String(operation['operationId']),
        summary: String(operation['summary']),
        tag: String(list(operation['tags'])[0]),
        heading: `${method.toUpperCase()} ${path}`,
        facts: operation,
      };
    }),
  );
}

function article({ id, summary, heading, facts }: Operation): string {
  const parameters = list(facts['parameters']).map(object);
  const body = object(object(facts['requestBody'])['content'])['application/json'];
  return `<article id="${escaped(id)}">
<h3>${escaped(heading)}</h3>
<p>${escaped(summary)} ${escaped(facts['description'])}</p>
${parameters.length === 0 ? '' : parametersTable(parameters)}
${body === undefined ? '' : details('Body', object(body)['schema'])}
${Object.entries(object(facts['responses'])).map(answer).join('\n')}
</article>`;
}

function parametersTable(parameters: readonly Json[]): string {
  const rows = parameters.map(({ name, in: place, description, schema }) => {
    const cells = [name, place, description ?? '', JSON.stringify(schema)].map((text) => `<td>${escaped(text)}</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table><thead><tr><th>parameter</th><th>in</th><th>meaning</th><th>schema</th></tr></thead>
<tbody>${rows.join('')}</tbody></table>`;
}

function answer([status, value]: readonly [string, unknown]): string {
  const facts = object(value);
  const schema = object(object(facts['content'])['application/json'])['schema'];
  const said = facts['description'] ?? 'refused: error_type, detail and problems say why';
  return schema === undefined
    ? `<p>${escaped(status)}: ${escaped(said)}</p>`
    : details(`${status}: ${String(said)}`, schema);
}

function details(summary: string, schema: unknown): string {
  const text = JSON.stringify(schema, undefined, 2);
  return `<details><summary>${escaped(summary)}</summary><pre>${escaped(text)}</pre></details>`;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: unknown): string {
  return String(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
