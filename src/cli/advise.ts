// tinygpt tune --advise: a model sets up the search once, as a file that shows what it would change; the search itself is
// left to a classic sampler, once a person has accepted or edited the file.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { formatStandardJson } from '../base/json.js';
import { usageText } from '../report/llm.js';
import { adviceFile, askAdvice } from '../tune/llm/index.js';
import { callLogIn, describeModel, type LlmArguments, openLlm, promptContext } from './llmOptions.js';
import type { Task } from './task.js';
import { linePrinter, printable, type Screen, shellPath } from './terminal.js';

/**
 * Asks, writes advice.json (and first.json) into the study's folder and prints what differs; resolves to the exit code.
 * @throws UsageError where earlier advice, which may have been edited, is there
 * @throws EnvironmentError where no usable advice came
 */
export async function advise(
  args: LlmArguments & { space?: string | undefined; json: boolean },
  task: Task,
  folder: string,
  screen: Screen,
): Promise<number> {
  const { progress, signal, say } = screen;
  const [file, first] = [join(folder, 'advice.json'), join(folder, 'first.json')];
  const earlier = [file, first].find((path) => existsSync(path));
  expect(earlier === undefined, () => `Expected no earlier advice, found ${earlier}; rename or remove it`);
  const caller = openLlm(args, folder, progress.note);
  for (const line of task.about) say(line);
  say(describeModel(args, caller));
  const { setup, direction, check, addable = {} } = task;
  const context = promptContext(task);
  const advice = await askAdvice({ setup, direction, context, more: addable, check }, caller, signal);
  const { caution } = caller.about as { caution?: string };
  const heading = [
    'A space advised by a model; what differs from the default is listed here. Edit it as you like.',
    ...(caution ? [`Caution: ${caution}.`] : []),
  ];
  writeFileAtomic(file, adviceFile(advice, heading));
  if (advice.first.length > 0) writeFileAtomic(first, `${formatStandardJson(advice.first)}\n`);
  say(advice.changes.length > 0 ? 'What it would change:' : 'It would change nothing.');
  for (const line of advice.changes) say(printable(`  ${line}`));
  say(`${usageText(caller.log.usage())}; calls in ${callLogIn(folder)}`);
  const more = advice.first.length > 0 ? ` --enqueue ${shellPath(first)}` : '';
  const replaced = args.space === undefined ? '--advise' : '--advise and --space';
  say(
    `To accept it, edited or not: the same command with --space ${shellPath(file)}${more} --out ${shellPath(folder)} in place of ${replaced}`,
  );
  if (args.json)
    linePrinter(false)(
      formatStandardJson({ folder, space: file, enqueue: advice.first.length > 0 ? first : null }),
    );
  return 0;
}
