import { expect, test } from '@jest/globals';
import { parseCommand } from './parse-command.js';

test('without arguments it is the registry', () => {
  expect(parseCommand([])).toEqual({ kind: 'serve' });
});

test('gc with all that can be asked for', () => {
  expect(parseCommand(['gc'])).toEqual({
    kind: 'collect',
    dryRun: false,
    force: false,
    json: false,
    organization: undefined,
  });
  expect(parseCommand(['gc', '--dry-run', '--organization=acme', '--force', '--json'])).toEqual({
    kind: 'collect',
    dryRun: true,
    force: true,
    json: true,
    organization: 'acme',
  });
});

test('gc explains one thing, in a dry run only', () => {
  for (const reference of ['acme/team/app:v1', `acme/team/app@sha256:${'a'.repeat(64)}`, `sha256:${'a'.repeat(64)}`]) {
    expect(parseCommand(['gc', '--dry-run', '--explain', reference, '--json'])).toEqual({
      kind: 'explain',
      reference,
      json: true,
    });
  }
});

test.each([
  [['--help'], 'breakwater gc'],
  [['-h'], 'breakwater gc'],
  [['gc', '--help'], '--organization <name>'],
  [['gc', '-h'], 'Exit status'],
])('%j is help', (args, text) => {
  expect(parseCommand(args)).toEqual({ kind: 'help', text: expect.stringContaining(text) });
});

test.each([
  [['collect'], 'unknown command "collect"'],
  [['--port'], 'unknown option "--port"'],
  [['gc', '--dryrun'], "Unknown option '--dryrun'"],
  [['gc', 'acme'], "Unexpected argument 'acme'"],
  [['gc', '--organization'], 'organization'],
  [['gc', '--organization', 'No/Name'], 'cannot be the name of an organization'],
  [['gc', '--dry-run=yes'], 'dry-run'],
  [['gc', '--explain', 'acme/app:v1'], 'say --dry-run as well'],
  [['gc', '--dry-run', '--explain', 'app:v1'], '"app:v1" is no digest'],
  [['gc', '--dry-run', '--explain', 'acme/app:v1', '--force'], 'leave out --force'],
  [['gc', '--dry-run', '--explain', 'acme/app:v1', '--organization', 'acme'], 'leave out --force'],
])('%j is wrong, and what would be right is said', (args, reason) => {
  const command = parseCommand(args);
  expect(command).toEqual({ kind: 'wrong', text: expect.stringContaining(reason) });
  expect(command).toEqual({ kind: 'wrong', text: expect.stringContaining('Usage: breakwater') });
});
