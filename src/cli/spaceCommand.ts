// tinygpt space: proposes a search space for a script's constants, as a file to edit.

import { basename } from 'node:path';
import { expect } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { formatJson } from '../base/json.js';
import { readTextFile } from '../base/textFile.js';
import { languageOf } from '../tune/script/lexer.js';
import { type Proposed, proposeSpace } from '../tune/script/propose.js';
import type { Distribution } from '../tune/types.js';
import { command, flag, required, text, type ValuesOf } from './options.js';
import { counted, shellPath } from './terminal.js';

const SCRIPT = { file: required('script: Python, TypeScript, JavaScript or JSON') };
const OPTIONS = {
  json: flag('print plain JSON, without comments', { default: false }),
  out: text('file to write, with comments (JSON5); standard output unless set', { placeholder: 'file' }),
};

export const spaceCommand = command({
  options: OPTIONS,
  positionals: SCRIPT,
  examples: [['tinygpt space train.py --out space.json', 'then edit it and give it to tinygpt-tune --space']],
  run: runSpace,
});

/** Runs the command; resolves to the exit code. */
async function runSpace({ file, out, json }: ValuesOf<typeof OPTIONS & typeof SCRIPT>): Promise<number> {
  const proposed = proposalFor(file, 'script');
  const { space, defaults, leftOut } = proposed;
  const count = Object.keys(space).length;
  const written = json
    ? `${formatJson({ space, defaults, left_out: leftOut })}\n`
    : spaceText(proposed, basename(file));
  if (out === undefined) process.stdout.write(written);
  else {
    writeFileAtomic(out, written);
    (json ? process.stderr : process.stdout).write(
      `${counted(count, 'parameter')} in ${out}; edit it, then: npx tinygpt-tune --command "..." --patch ${shellPath(file)} --space ${shellPath(out)} --metric NAME --trials 50\n`,
    );
  }
  return 0;
}

/** The space of a script. @param what names the file in errors @throws UsageError where it has nothing to search */
export function proposalFor(file: string, what: string): Proposed {
  const proposed = proposeSpace(readTextFile(file, what), languageOf(file));
  const left = proposed.leftOut.map(({ name, reason }) => `${name}, ${reason}`).join('; ');
  expect(
    Object.keys(proposed.space).length > 0,
    () =>
      `Expected constants to search at the top of ${file}, each assigned once (LR = 0.04), found none${left && ` (left out: ${left})`}; give their ranges in a file with tinygpt-tune --space`,
  );
  return proposed;
}

/** The space as JSON5 with comments, which `--space` reads. */
function spaceText({ space, defaults, comments, leftOut }: Proposed, script: string): string {
  const entry = ([name, distribution]: [string, Distribution]) => {
    const comment = comments[name] ? ` // ${comments[name]}` : '';
    return `    ${JSON.stringify(name)}: ${describe(distribution)},${comment}`;
  };
  const values = Object.entries(defaults).map(
    ([name, value]) => `    ${JSON.stringify(name)}: ${formatJson(value)},`,
  );
  const left = leftOut.map(({ name, reason }) => `  //   ${name}: ${reason}`);
  return `${[
    `// Proposed for ${script} by its constants' names: a start. Check every range; log2_X is the exponent of X.`,
    '{',
    '  "space": {',
    ...Object.entries(space).map(entry),
    '  },',
    "  // The script's own values: trial 0.",
    '  "defaults": {',
    ...values,
    '  },',
    ...(left.length > 0 ? ['  // Left out:', ...left] : []),
    '}',
  ].join('\n')}\n`;
}

/** `{ "kind": "float", "low": 0.005, "high": 0.2, "log": true }`: what is usual is left out. */
function describe(distribution: Distribution): string {
  const members = Object.entries(distribution).filter(
    ([key, value]) =>
      value !== undefined && value !== false && !(key === 'step' && (value === null || value === 1)),
  );
  return `{ ${members.map(([key, value]) => `"${key}": ${formatJson(value)}`).join(', ')} }`;
}
