// Options of a benchmark or an experiment, parsed like those of the commands.

import { reportError } from '../src/cli/cli.js';
import { helpOf, type Options, readOptions, type ValuesOf } from '../src/cli/options.js';

/** The options this process was started with; ends it after `--help` or a mistake. */
export async function scriptOptions<O extends Options>(options: O): Promise<ValuesOf<O>> {
  try {
    const values = readOptions(process.argv.slice(2), options);
    if (values) return values;
    process.stdout.write(`${await helpOf(`node ${process.argv[1]} [options]`, { options }, 110)}\n`);
    process.exit(0);
  } catch (error) {
    process.exit(reportError(error));
  }
}
