import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { setUp } from './setup.mjs';

// npm run conformance -- http://127.0.0.1:5000 --name demo --username admin
//
// Checks any registry against the OCI distribution-spec 1.1, clause by clause, in new repositories below --name.

const USAGE = `usage: npm run conformance -- <url> --name <organization> [options]
       npm run conformance -- --list

  --name <prefix>            repositories are made below it
  --username <name>          signs in; the password comes from CONFORMANCE_PASSWORD
  --write-url <url>          for a cache: its upstream, which is what content is pushed to
  --write-name <prefix>      what --name is called there
  --write-username <name>    its password comes from CONFORMANCE_WRITE_PASSWORD
  --take-away <command>      for a cache: takes its upstream away, after which everything is pulled once more
  --only <id>                one check; may be given more than once
  --list                     the clauses, without a registry`;

const options = {
  name: { type: 'string' },
  username: { type: 'string' },
  'write-url': { type: 'string' },
  'write-name': { type: 'string' },
  'write-username': { type: 'string' },
  'take-away': { type: 'string' },
  only: { type: 'string', multiple: true },
  list: { type: 'boolean' },
};

const { values, positionals } = parseGiven();
if (!(await setUp()) || !(await build('packages/test-kit'))) process.exit(1);
const { ALL_CHECKS, runConformance } = await import('../packages/test-kit/dist/index.js');

if (values.list) {
  for (const { id, level, says } of ALL_CHECKS) console.log(`${id.padEnd(34)} ${level.padEnd(6)} ${says}`);
  console.log(`${ALL_CHECKS.length} clauses`);
} else {
  process.exitCode = report(await runConformance(target()));
}

function target() {
  const [url] = positionals;
  const side = (at, prefix, username, password) => ({
    url: at,
    prefix,
    ...(username === undefined ? {} : { username, password: password ?? '' }),
  });
  const read = side(url, values.name, values.username, process.env.CONFORMANCE_PASSWORD);
  const writeUrl = values['write-url'];
  const command = values['take-away'];
  return {
    read,
    ...(writeUrl === undefined
      ? {}
      : {
          write: side(
            writeUrl,
            values['write-name'] ?? values.name,
            values['write-username'],
            process.env.CONFORMANCE_WRITE_PASSWORD,
          ),
        }),
    ...(command === undefined ? {} : { afterWarming: () => runCommand(command) }),
    ...(values.only === undefined ? {} : { only: values.only }),
  };
}

function report(results) {
  const failed = results.filter(({ outcome }) => outcome === 'failed');
  for (const { id, level, says, outcome, problem } of results) {
    console.log(`${outcome.padEnd(14)} ${level.padEnd(6)} ${id.padEnd(34)} ${says}`);
    if (problem !== undefined) console.log(`               ${problem}`);
  }
  const passed = results.filter(({ outcome }) => outcome === 'passed').length;
  const left = results.length - passed - failed.length;
  console.log(`${passed} passed, ${failed.length} failed, ${left} not applicable without the upstream`);
  return failed.length === 0 && results.length > 0 ? 0 : 1;
}

function runCommand(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (status) =>
      status === 0 ? resolve() : reject(new Error(`--take-away ended with status ${status}`)),
    );
  });
}

function parseGiven() {
  let given;
  try {
    given = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    refuse(error.message);
  }
  const { values: named, positionals: urls } = given;
  if (!named.list && (urls.length !== 1 || !URL.canParse(urls[0])))
    refuse('one URL is needed, http://127.0.0.1:5000 say');
  if (!named.list && named.name === undefined) refuse('--name is needed: repositories are made below it');
  return given;
}

function refuse(problem) {
  console.error(`${problem}\n\n${USAGE}`);
  process.exit(2);
}
