import { describe, expect, test } from '@jest/globals';
import { checkImports } from './rules.mjs';

const check = (file, source) => checkImports(new Map([[file, source]]));

describe('import fences', () => {
  test.each([
    ['packages/gc/src/a.ts', "import { x } from '@breakwater/proxy-cache';", 'gc may not import proxy-cache'],
    ['packages/gc/src/a.ts', "import type { X } from '@breakwater/proxy-cache';", 'gc may not import proxy-cache'],
    ['packages/gc/src/a.ts', "export { x } from '@breakwater/org-settings';", 'gc may not import org-settings'],
    ['packages/gc/src/a.ts', "const x = await import('@breakwater/registry-host');", 'may not import registry-host'],
    ['packages/gc/src/a.ts', "import { x } from '@breakwater/test-kit';", 'gc may not import test-kit'],
    ['packages/gc/src/a.ts', "import { x } from '../../proxy-cache/src/index.js';", 'leaves the package'],
    ['packages/gc/src/a.ts', "import { x } from '@breakwater/registry-core/dist/x.js';", 'reaches into a package'],
    ['packages/gc/src/a.ts', "import { x } from './b';", 'needs the suffix .js'],
    ['packages/registry-core/src/a.ts', "import { LRUCache } from 'lru-cache';", 'nothing but node:'],
    [
      'packages/registry-http/src/a.ts',
      "import { open } from 'node:fs/promises';",
      'registry-http imports node:crypto',
    ],
    ['packages/registry-http/src/a.ts', "import { LRUCache } from 'lru-cache';", 'registry-http imports node:crypto'],
    ['packages/registry-host/src/a.ts', "import axios from 'axios';", 'axios belongs into'],
    ['packages/proxy-cache/src/pull/a.ts', "import retry from 'axios-retry';", 'axios-retry belongs into'],
    ['packages/gc/src/rule.ts', "import type { Knex } from 'knex';", 'knex belongs into'],
    ['packages/gc/src/index.ts', "import { knex } from 'knex';", 'knex belongs into'],
    ['packages/registry-host/src/main.ts', "import { knex } from 'knex';", 'knex belongs into'],
    ['packages/gc/src/rules/ports.ts', "import type { Knex } from 'knex';", 'knex belongs into'],
    ['packages/gc/src/a.ts', "import { Redis } from 'ioredis';", 'ioredis belongs into'],
    ['packages/proxy-cache/src/a.ts', "import express from 'express';", 'express belongs into'],
    ['packages/gc/src/postgres/a.ts', "import pg from 'pg';", 'pg belongs into'],
    ['packages/gc/src/a.ts', "import { request } from 'node:http';", 'could open connections'],
    ['packages/gc/src/a.ts', "import * as https from 'node:https';", 'could open connections'],
    ['packages/gc/src/a.ts', "import {\n  connect,\n  isIP,\n} from 'node:net';", 'could open connections'],
    ['packages/gc/src/a.ts', "const answer = await fetch('http://x');", 'fetch belongs into'],
    ['packages/gc/src/a.ts', 'const answer = await globalThis.fetch(url);', 'fetch belongs into'],
    [
      'packages/org-settings/src/a.ts',
      "import { x } from '@breakwater/settings-page';",
      'may not import settings-page',
    ],
    ['packages/org-settings/src/a.ts', "import { useState } from 'react';", 'react belongs into settings-page'],
    ['packages/settings-page/src/a.tsx', "import { readFile } from 'node:fs/promises';", 'runs in browsers'],
    ['packages/settings-page/src/a.tsx', "import { x } from '@breakwater/registry-core';", 'may not import'],
    ['packages/settings-page/src/a.tsx', "const answer = await fetch('/api');", 'fetch belongs into'],
    ['packages/gc/src/a.ts', "import './a.css';", 'needs the suffix .js'],
    ['examples/host/a.ts', "import { x } from '@breakwater/registry-host';", 'may not import registry-host'],
    ['examples/host/a.ts', "import { x } from '@breakwater/test-kit';", 'may not import test-kit'],
    ['examples/host/a.ts', "import { x } from '../../packages/gc/src/index.js';", 'leaves the example'],
    ['examples/host/a.test.ts', "import { x } from '@breakwater/registry-host';", 'may not import registry-host'],
    // What looks like a comment or a string and is none must not hide the line behind it.
    ['packages/gc/src/a.ts', "const a = '/*';\nimport { x } from '@breakwater/proxy-cache';", 'a.ts:2 gc may not'],
    ['packages/gc/src/a.ts', "const a = /['\"`]/;\nimport { x } from '@breakwater/proxy-cache';", 'a.ts:2 gc may not'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    ['packages/gc/src/a.ts', "const a = `${`'`}'`;\nimport { x } from '@breakwater/proxy-cache';", 'a.ts:2 gc may not'],
  ])('%s: %s', (file, source, problem) => {
    expect(check(file, source)).toEqual([expect.stringContaining(problem)]);
  });

  test.each([
    ['packages/gc/src/a.ts', "import { x } from '@breakwater/registry-core';"],
    ['packages/registry-host/src/a.ts', "import { x } from '@breakwater/gc';"],
    ['packages/gc/src/a.test.ts', "import { x } from '@breakwater/test-kit';\nimport { knex } from 'knex';"],
    ['packages/test-kit/src/a.ts', "import { request } from 'node:http';\nawait fetch('http://x');"],
    ['packages/registry-http/src/a.ts', "import { STATUS_CODES } from 'node:http';\nimport { z } from 'zod';"],
    ['packages/proxy-cache/src/upstream/a.ts', "import axios from 'axios';\nimport { Agent } from 'node:http';"],
    ['packages/gc/src/postgres/a.ts', "import { knex } from 'knex';"],
    ['packages/gc/src/create-gc.ts', "import type { Knex } from 'knex';"],
    ['packages/gc/src/options.ts', "import type { Knex } from 'knex';"],
    ['packages/registry-host/src/lifecycle/a.ts', "import type { Knex } from 'knex';"],
    ['packages/gc/src/create-gc.ts', "import type { Router } from 'express';"],
    ['packages/org-settings/src/http/a.ts', "import express from 'express';"],
    ['packages/gc/src/a.ts', "import type { Agent } from 'node:http';"],
    ['packages/settings-page/src/a.tsx', "import { useState } from 'react';\nimport './a.css';"],
    ['packages/settings-page/src/api/request.ts', "const answer = await fetch('/api');"],
    ['packages/registry-host/src/a.ts', "import { createServer, type Agent } from 'node:http';"],
    ['packages/gc/src/a.ts', "// import { x } from '@breakwater/proxy-cache';\n/* fetch('x') */"],
    ['packages/gc/src/a.ts', 'const text = `\nimport { x } from "@breakwater/proxy-cache";\n`;'],
    ['packages/gc/src/a.ts', 'class A {\n  async fetch(url: string): Promise<void> {}\n}\nawait this.fetch(x);'],
  ])('nothing against %s: %s', (file, source) => {
    expect(check(file, source)).toEqual([]);
  });

  test('a cycle between files is named with the way round', () => {
    const files = new Map([
      ['packages/gc/src/a.ts', "import { b } from './b.js';"],
      ['packages/gc/src/b.ts', "import type { C } from './c.js';"],
      ['packages/gc/src/c.ts', "import { a } from './a.js';"],
    ]);
    expect(checkImports(files)).toEqual([
      'packages/gc/src/a.ts is in a cycle of imports: packages/gc/src/a.ts → packages/gc/src/b.ts → ' +
        'packages/gc/src/c.ts → packages/gc/src/a.ts',
    ]);
  });
});
