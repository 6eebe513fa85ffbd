// The YAML in deploy/, as far as it can be tested without a cluster: it parses, and its commands have options that exist.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { findCommand } from '../src/cli/cli.js';
import { readOptions } from '../src/cli/options.js';

const FOLDER = fileURLToPath(new URL('../../deploy/', import.meta.url));
const files = readdirSync(FOLDER);

type Yaml = string | number | boolean | null | Yaml[] | { [key: string]: Yaml };
const parser = yamlParser();

/** Jest's own; it may go with another version. */
function yamlParser(): ((text: string) => Yaml[]) | null {
  try {
    const { loadAll } = createRequire(import.meta.url)('js-yaml');
    return (text) => {
      const documents: Yaml[] = [];
      loadAll(text, (each: Yaml) => documents.push(each));
      return documents;
    };
  } catch {
    return null;
  }
}

const MAIN = 'build/src/cli/main.js';

/** The command lines in it from tinygpt or its main program on: `command` with its `args`, and lines of scripts. */
function commandsIn(node: Yaml): string[][] {
  if (typeof node === 'string')
    return [...node.matchAll(/^\s*(?:npx|exec node) ((?:tinygpt|build\/src\/cli\/main\.js) .*)$/gm)].map(
      ([, line]) => line!.replaceAll('"', '').split(/\s+/),
    );
  if (node === null || typeof node !== 'object') return [];
  const own = Array.isArray(node) ? [] : [node.command ?? [], node.args ?? []].flat().map(String);
  return [...(own[1] === MAIN ? [own.slice(1)] : []), ...Object.values(node).flatMap(commandsIn)];
}

/** @throws UsageError for options that do not exist */
async function read([, name, ...argv]: string[]): Promise<Record<string, unknown>> {
  const { options, positionals } = await findCommand(name!);
  return readOptions(argv, options, positionals)!;
}

(parser ? describe : describe.skip)('YAML in deploy/ (with js-yaml)', () => {
  test.each(files.filter((name) => /\.ya?ml$/.test(name)))(
    '%s parses, and starts workers on GPUs with options that exist, where signals reach them',
    async (name) => {
      const documents = parser!(readFileSync(join(FOLDER, name), 'utf8'));
      for (const each of documents) expect(each).toBeInstanceOf(Object);
      const tune = [];
      for (const words of documents.flatMap(commandsIn))
        if (words[1] === 'tune') {
          expect(words[0]).toBe(MAIN); // npx passes no signal on
          tune.push(await read(words));
        } else expect(words.slice(0, 2)).toEqual(['tinygpt', 'setup']);
      expect(tune).toMatchObject([
        { gpus: 'all', storage: expect.any(String), name: expect.any(String), hours: 8, trialSeconds: 300 },
      ]);
    },
  );
});
