import { posix } from 'node:path';
import { scan } from './scan.mjs';

/** Which packages a package may import. What is not listed may import nothing of ours. */
const MAY_IMPORT = {
  'registry-core': [],
  'registry-http': ['registry-core'],
  'proxy-cache': ['registry-core', 'registry-http'],
  // It serves the files of settings-page, which it finds and never loads.
  'org-settings': ['registry-core', 'registry-http'],
  gc: ['registry-core', 'registry-http'],
  'registry-host': ['registry-core', 'registry-http', 'proxy-cache', 'org-settings', 'gc'],
  'settings-page': [],
  'test-kit': ['registry-core', 'registry-http', 'proxy-cache', 'org-settings', 'gc', 'registry-host'],
};

/** What other hosts build on. */
const PUBLIC = ['registry-core', 'registry-http', 'proxy-cache', 'org-settings', 'gc'];

const UPSTREAM = { where: /^packages\/proxy-cache\/src\/upstream\//, said: 'proxy-cache/src/upstream/' };
const POSTGRES = { where: /^packages\/[^/]+\/src\/postgres\//, said: '*/src/postgres/' };
const REDIS = { where: /^packages\/[^/]+\/src\/redis\//, said: '*/src/redis/' };
const EXPRESS = {
  where: /^packages\/(?:registry-host\/src\/|[^/]+\/src\/http\/)/,
  said: 'registry-host and */src/http/',
};
/**
 * Files that say what a package takes and gives may name the types of what the host passes in or mounts, and so may the
 * host, which passes it.
 */
const FACADE = /^packages\/(?:registry-host\/|[^/]+\/src\/(?:create-[^/]+|index|options|ports)\.ts$)/;
const HOST = { where: /^packages\/registry-host\/src\//, said: 'registry-host' };

const PAGE = { where: /^packages\/settings-page\/(?:src\/|vite\.config)/, said: 'settings-page' };
/** Where the page asks the API of its own origin: it runs in browsers. */
const PAGE_REQUESTS = /^packages\/settings-page\/src\/api\//;

/** Where a library may be imported. `types`: where its types may be, beyond that. */
const FENCES = {
  axios: UPSTREAM,
  'axios-retry': UPSTREAM,
  undici: UPSTREAM,
  knex: { ...POSTGRES, types: FACADE },
  ioredis: REDIS,
  express: { ...EXPRESS, types: FACADE },
  pg: HOST,
  react: PAGE,
  'react-dom': PAGE,
  '@patternfly/react-core': PAGE,
  '@patternfly/react-table': PAGE,
  '@tanstack/react-query': PAGE,
};

/** What registry-http may import beside registry-core and zod: it answers, and does no other I/O. */
const ANSWERING = ['node:crypto', 'node:http', 'node:net'];

/**
 * What may be taken of the modules that can open connections, outside the upstream client: servers, and words. Their
 * types may be taken anywhere.
 */
const HARMLESS = {
  'node:http': ['createServer', 'IncomingMessage', 'METHODS', 'Server', 'ServerResponse', 'STATUS_CODES'],
  'node:https': ['createServer', 'Server'],
  'node:http2': [],
  'node:net': ['BlockList', 'createServer', 'isIP', 'isIPv4', 'isIPv6', 'Server'],
  'node:tls': ['createServer', 'Server'],
  'node:dgram': [],
};

/**
 * Checks the import directions and library fences of docs/architecture.md.
 *
 * @param files source text by path from the root of the repository, `packages/gc/src/index.ts` say
 * @returns problems, one line each; test files and the test-kit only keep the package edges
 */
export function checkImports(files) {
  const problems = [];
  const graph = new Map();
  for (const [file, source] of files) {
    const { imports, fetchLines } = scan(source);
    const owner = file.split('/')[1];
    if (file.startsWith('examples/')) {
      for (const each of imports) checkExample(file, each, (text) => problems.push(`${file}:${each.line} ${text}`));
      continue;
    }
    const exempt = owner === 'test-kit' || isTest(file);
    const edges = [];
    for (const each of imports) {
      const say = (text) => problems.push(`${file}:${each.line} ${text}`);
      if (each.from.startsWith('.')) edges.push(checkRelative(file, owner, each, say, files));
      else if (each.from.startsWith('@breakwater/')) checkEdge(owner, isTest(file), each, say);
      else if (!exempt) checkLibrary(file, owner, each, say);
    }
    graph.set(file, edges);
    if (exempt || UPSTREAM.where.test(file) || PAGE_REQUESTS.test(file)) continue;
    for (const line of fetchLines) problems.push(`${file}:${line} fetch belongs into ${UPSTREAM.said}`);
  }
  return [...problems, ...cycles(graph)];
}

/** An example is somebody else's host: it has the packages and nothing of ours beside them. */
function checkExample(file, { from }, say) {
  const name = /^@breakwater\/([^/]+)$/.exec(from)?.[1];
  if (from.startsWith('@breakwater/') && name === undefined) say(`${from} reaches into a package`);
  const own = isTest(file) ? [...PUBLIC, 'test-kit'] : PUBLIC;
  if (name !== undefined && !own.includes(name)) say(`an example may not import ${name}`);
  if (from.startsWith('..')) say(`${from} leaves the example`);
}

function isTest(file) {
  return /\.test\.tsx?$/.test(file) || /^packages\/[^/]+\/test\//.test(file);
}

function checkRelative(file, owner, { from }, say, files) {
  const stem = posix.join(posix.dirname(file), from);
  const component = stem.replace(/\.js$/, '.tsx');
  const target = files.has(component) ? component : stem.replace(/\.js$/, '.ts');
  const isStyle = owner === 'settings-page' && target.endsWith('.css');
  if (!target.startsWith(`packages/${owner}/`)) say(`${from} leaves the package: import @breakwater/…`);
  else if (!/\.(?:tsx?|json)$/.test(target) && !isStyle) say(`${from} needs the suffix .js`);
  else if (isTest(target) && !isTest(file)) say(`${from} is a test`);
  return target;
}

function checkEdge(owner, inTest, { from }, say) {
  const [, target, ...below] = from.split('/');
  if (below.length > 0) say(`${from} reaches into a package: import @breakwater/${target}`);
  // Tests may wire packages together, as the host does; that is what the test-kit is for as well.
  if (target === owner || inTest) return;
  if (!MAY_IMPORT[owner]?.includes(target)) say(`${owner} may not import ${target}`);
}

function checkLibrary(file, owner, { from, typeOnly, names }, say) {
  const name = from.startsWith('@') ? from.split('/', 2).join('/') : from.split('/')[0];
  if (owner === 'registry-core' && !from.startsWith('node:'))
    say(`registry-core imports nothing but node:, not ${from}`);
  if (owner === 'registry-http' && from !== 'zod' && !ANSWERING.includes(from))
    say(`registry-http imports ${ANSWERING.join(', ')} and zod, not ${from}`);
  if (owner === 'settings-page' && from.startsWith('node:')) say(`settings-page runs in browsers: no ${from}`);
  const fence = FENCES[name];
  if (fence !== undefined && !fence.where.test(file) && !(typeOnly && fence.types?.test(file))) {
    say(`${name} belongs into ${fence.said}`);
  }
  const harmless = HARMLESS[from];
  if (harmless === undefined || typeOnly || UPSTREAM.where.test(file)) return;
  if (names === undefined || names.some((each) => !harmless.includes(each))) {
    say(`of ${from} only ${harmless.join(', ') || 'types'} outside ${UPSTREAM.said}: it could open connections`);
  }
}

/** Each cycle once, from its first file. Types count: files which cannot do without each other are one file. */
function cycles(graph) {
  const problems = [];
  const done = new Set();
  const path = [];
  const visit = (file) => {
    const start = path.indexOf(file);
    if (start !== -1) problems.push(`${file} is in a cycle of imports: ${[...path.slice(start), file].join(' → ')}`);
    if (start !== -1 || done.has(file) || !graph.has(file)) return;
    path.push(file);
    for (const next of graph.get(file)) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return problems;
}
