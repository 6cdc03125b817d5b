import type { Logger } from '@breakwater/registry-core';
import { type RawAnswer, rawGet, type TestRegistry } from '@breakwater/test-kit';

const EVENTS = { 'shielded-pull': 'shielded_pulls', 'passed-error': 'passed_errors' } as const;
const LINES = new Map<string, Kind>([
  ['a pull was shielded from its upstream', 'shielded-pull'],
  ['a failure of the upstream was passed on', 'passed-error'],
]);

type Kind = keyof typeof EVENTS;
type Told = Readonly<Record<Kind, string[]>>;

/** What is told of failures, by class: events, lines of the log, and what the metrics make of them. */
export class ToldFailures {
  readonly #events: Told = { 'shielded-pull': [], 'passed-error': [] };
  readonly #lines: Told = { 'shielded-pull': [], 'passed-error': [] };
  #registry: TestRegistry | undefined;

  readonly logger: Logger = {
    debug: () => undefined,
    info: (fields, message) => this.#noteLine(fields, message),
    warn: (fields, message) => this.#noteLine(fields, message),
    error: () => undefined,
  };

  listenTo(registry: TestRegistry): void {
    this.#registry = registry;
    const { events } = registry.registry.proxyCache;
    for (const kind of Object.keys(EVENTS) as Kind[]) {
      events.on(
        kind,
        ({ failureClass }: { readonly failureClass: string }) => void this.#events[kind].push(failureClass),
      );
    }
  }

  /** How much has been told so far. */
  mark(): Readonly<Record<Kind, number>> {
    return {
      'shielded-pull': this.#events['shielded-pull'].length,
      'passed-error': this.#events['passed-error'].length,
    };
  }

  /** What was not told of an answer as it should be since a mark. Pulls of others are not among the failures. */
  faultsSince(mark: Readonly<Record<Kind, number>>, answer: RawAnswer, reasons: readonly string[]): readonly string[] {
    const kind: Kind | undefined =
      answer.status !== 200 || answer.cut
        ? 'passed-error'
        : answer.headers['warning'] === undefined
          ? undefined
          : 'shielded-pull';
    if (kind === undefined) return [];
    return [
      ['event', this.#events[kind]],
      ['log line', this.#lines[kind]],
    ].flatMap(([what, told]) => {
      const classes = (told as string[]).slice(mark[kind]);
      return classes.some((each) => reasons.includes(each)) ? [] : [`no ${what} ${kind} of ${reasons}: ${classes}`];
    });
  }

  /** Where the metrics count something else than was told. */
  async metricFaults(): Promise<readonly string[]> {
    const text = (await rawGet(`${this.#registry?.url}/metrics`)).bytes.toString();
    return (Object.keys(EVENTS) as Kind[]).flatMap((kind) => {
      const told = this.#events[kind];
      return [...new Set(told)].flatMap((failureClass) => {
        const count = told.filter((each) => each === failureClass).length;
        const line = `breakwater_${EVENTS[kind]}_total{class="${failureClass}"} ${count}\n`;
        return text.includes(line) ? [] : [`${line.trim()} is not among the metrics`];
      });
    });
  }

  #noteLine(fields: object, message: string): void {
    const kind = LINES.get(message);
    if (kind !== undefined) this.#lines[kind].push(String((fields as { failure_class?: unknown }).failure_class));
  }
}
