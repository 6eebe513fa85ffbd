// The code in README and docs: TypeScript blocks compile under --strict, command lines have options that exist.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { kebab } from '../src/base/names.js';
import { findCommand } from '../src/cli/cli.js';
import { readOptions } from '../src/cli/options.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

/** Code blocks of a language, with the line where each begins. */
function blocks(language: string): { at: string; code: string }[] {
  return DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((found) => ({
      at: `${path}:${text.slice(0, found.index).split('\n').length + 1}`,
      code: found[1]!,
    })),
  );
}

test('TypeScript blocks compile under --strict', () => {
  // Inside the checkout, where `tinygpt` means this package.
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'build', 'blocks-'));
  try {
    const found = blocks('ts');
    expect(found.length).toBeGreaterThan(0);
    for (const [i, { code }] of found.entries())
      writeFileSync(join(folder, `${i}.ts`), `${code}\nexport {};\n`);
    const options = {
      strict: true,
      module: 'nodenext',
      target: 'es2023',
      types: ['node'],
      skipLibCheck: true,
      noEmit: true,
    };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, include: ['*.ts'] }),
    );
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
      encoding: 'utf8',
    });
    const named = stdout.replace(/^\S*?(\d+)\.ts\(/gm, (_, i: string) => `${found[Number(i)]!.at} (`);
    expect(named).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Words of a shell line; letters that stand for a number become one. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!.replace(/^[A-Z]$/, '3'));

async function mistakeIn(line: string): Promise<string | null> {
  const [program, ...rest] = wordsOf(line);
  const [name = '', ...argv] = program === 'tinygpt-tune' ? ['tune', ...rest] : rest;
  if (name === '' || name.startsWith('--')) return null;
  try {
    const { options, positionals } = await findCommand(name);
    readOptions(argv, options, positionals);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

test('commands in shell blocks have options that exist, with values of their type', async () => {
  const mistakes: string[] = [];
  for (const { at, code } of blocks('sh'))
    for (const part of code.replace(/\\\n/g, ' ').split(/\n|&&|\|/)) {
      const line = /^\s*(?:npx )?(tinygpt(?:-tune)?(?: .*)?)$/.exec(part.replace(/(^|\s)#.*/, ''))?.[1];
      const mistake = line === undefined ? null : await mistakeIn(line.trim());
      if (mistake !== null) mistakes.push(`${at}: ${line}: ${mistake}`);
    }
  expect(mistakes).toEqual([]);
});

test('commands in the text have options that exist', async () => {
  const mistakes: string[] = [];
  for (const { path, text } of DOCUMENTS)
    for (const [, program, command] of text
      .replace(/^```[\s\S]*?^```/gm, '')
      .matchAll(/`(?:npx )?(tinygpt(?:-tune)?)((?: [^`]*)?)`/g)) {
      const [first, ...rest] = command!
        .replace(/[[\],]/g, ' ')
        .split(/\s+/)
        .filter(Boolean);
      const name = program === 'tinygpt-tune' ? 'tune' : first;
      if (name === undefined || /^[-/]|^\W*$/.test(name)) continue;
      const known = await findCommand(name).then(
        ({ options }) => ['--help', ...Object.keys(options).map((key) => `--${kebab(key)}`)],
        () => null,
      );
      const unknown = [...rest, name].filter(
        (word) => word.startsWith('--') && !known?.includes(word.split('=')[0]!),
      );
      if (known === null || unknown.length > 0) mistakes.push(`${path}: ${program}${command}`);
    }
  expect(mistakes).toEqual([]);
});
