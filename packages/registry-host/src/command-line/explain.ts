import process from 'node:process';
import { explanationJson } from '@breakwater/gc';
import { explanationText } from './explanation-text.js';
import type { ExplainCommand } from './parse-command.js';
import { withCollector } from './with-collector.js';

/** Prints why something would go or stay. Resolves to the exit status. */
export function explain({ reference, json }: ExplainCommand): Promise<number> {
  return withCollector(async (gc) => {
    const explanation = await gc.explain(reference);
    process.stdout.write(
      json ? `${JSON.stringify(explanationJson(explanation), undefined, 2)}\n` : explanationText(explanation),
    );
    return 0;
  });
}
