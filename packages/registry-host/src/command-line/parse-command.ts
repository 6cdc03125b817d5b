import { parseArgs } from 'node:util';
import { parseSubject } from '@breakwater/gc';
import { type OrganizationName, parseOrganizationName } from '@breakwater/registry-core';

/** A run of garbage collection, as it was asked for. */
export interface CollectCommand {
  readonly kind: 'collect';
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly json: boolean;
  readonly organization: OrganizationName | undefined;
}

/** Why something would go or stay, as it was asked for. */
export interface ExplainCommand {
  readonly kind: 'explain';
  /** A digest, `<organization>/<repository>:<tag>` or `<organization>/<repository>@<digest>`. */
  readonly reference: string;
  readonly json: boolean;
}

/** What the arguments ask for. `text` goes to standard output, of `wrong` to standard error. */
export type Command =
  | { readonly kind: 'serve' }
  | CollectCommand
  | ExplainCommand
  | { readonly kind: 'help' | 'wrong'; readonly text: string };

const HELP = `Usage: breakwater [command]

  breakwater       run the registry
  breakwater gc    collect garbage once and print what was done, beside a running registry or without one

  breakwater gc --help    says more about it

Settings are environment variables, the same for every command: docs/reference/settings.md.
`;

const GC_HELP = `Usage: breakwater gc [--dry-run] [--organization <name>] [--force] [--json]
       breakwater gc --dry-run --explain <reference> [--json]

Collects garbage once. The report goes to standard output, progress and log lines to standard error.
It takes the settings of the registry (BREAKWATER_DATA_DIR, BREAKWATER_DATABASE_URL, …) and works beside it.

  --dry-run              only say what would go and why the rest stays; deletes nothing
  --organization <name>  only this organization
  --explain <reference>  with --dry-run: only why this one goes or stays, with its clocks and what refers to it;
                         a digest, <organization>/<repository>:<tag> or <organization>/<repository>@<digest>
  --force                also delete what is so much that the run would stop and ask
  --json                 the report as JSON, as POST /api/v1/gc/run or GET /api/v1/gc/explain answers it
  --help                 this text

Exit status: 0 done, 1 failed, stopped or braked, a run is in flight already, or nothing to explain, 2 wrong usage.
`;

/** Reads the arguments of the program, without its name. Pure. */
export function parseCommand(args: readonly string[]): Command {
  const [name, ...rest] = args;
  if (name === undefined) return { kind: 'serve' };
  if (name === '--help' || name === '-h' || name === 'help') return { kind: 'help', text: HELP };
  if (name === 'gc') return parseCollect(rest);
  const what = name.startsWith('-') ? 'option' : 'command';
  return { kind: 'wrong', text: `breakwater: unknown ${what} ${JSON.stringify(name)}\n\n${HELP}` };
}

function parseCollect(args: readonly string[]): Command {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'dry-run': { type: 'boolean', default: false },
        explain: { type: 'string' },
        force: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        organization: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return { kind: 'help', text: GC_HELP };
    if (values.explain !== undefined) return parseExplain(values.explain, values);
    const organization = values.organization === undefined ? undefined : parseOrganizationName(values.organization);
    if (values.organization !== undefined && organization === undefined) {
      return wrong(
        `${JSON.stringify(values.organization)} cannot be the name of an organization; one is for example dockerhub`,
      );
    }
    return { kind: 'collect', dryRun: values['dry-run'], force: values.force, json: values.json, organization };
  } catch (error) {
    // node's hint about arguments that begin with a dash helps nobody: there are none here.
    return wrong((error as Error).message.split('. ')[0] ?? 'wrong arguments');
  }
}

function parseExplain(
  reference: string,
  given: { 'dry-run': boolean; force: boolean; json: boolean; organization?: string | undefined },
): Command {
  if (!given['dry-run']) return wrong('--explain deletes nothing: say --dry-run as well');
  if (given.force || given.organization !== undefined) {
    return wrong('--explain is about one thing: leave out --force and --organization');
  }
  if (parseSubject(reference) === undefined) {
    return wrong(
      `${JSON.stringify(reference)} is no digest, <organization>/<repository>:<tag> or <organization>/<repository>@<digest>`,
    );
  }
  return { kind: 'explain', reference, json: given.json };
}

function wrong(reason: string): Command {
  return { kind: 'wrong', text: `breakwater gc: ${reason}\n\n${GC_HELP}` };
}
