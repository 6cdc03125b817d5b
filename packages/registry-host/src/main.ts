import process from 'node:process';
import { collect } from './command-line/collect.js';
import { explain } from './command-line/explain.js';
import { parseCommand } from './command-line/parse-command.js';
import { serve } from './command-line/serve.js';

const command = parseCommand(process.argv.slice(2));
switch (command.kind) {
  case 'serve':
    serve();
    break;
  case 'collect':
    process.exitCode = await collect(command);
    break;
  case 'explain':
    process.exitCode = await explain(command);
    break;
  case 'help':
    process.stdout.write(command.text);
    break;
  case 'wrong':
    process.stderr.write(command.text);
    process.exitCode = 2;
    break;
}
