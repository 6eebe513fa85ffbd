// A configuration in the forms that people continue with: JSON, a command line, TypeScript.

import { printable, shellQuoted } from '../src/base/format.js';
import { kebab } from '../src/base/names.js';
import { isObject } from '../src/base/valid.js';
import { PRESET_NAMES, presetConfig } from '../src/train/presets.js';
import { own } from '../src/tune/objects.js';
import type { Attributes, Trial } from '../src/tune/types.js';
import type { ShownStudy } from './store.js';

export const FORMS = ['JSON', 'Command line', 'TypeScript'] as const;
export type Form = (typeof FORMS)[number];

/** The setting that a parameter decides and its value: log2_X as X. */
const settingsOf = (params: Attributes): Attributes =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) =>
      name.startsWith('log2_') && typeof value === 'number' ? [name.slice(5), 2 ** value] : [name, value],
    ),
  );

/** The preset of the trainer that a study starts from; null for other objectives. */
function presetOf({ userAttrs: { objective } }: ShownStudy): string | null {
  const preset = isObject(objective) ? objective.preset : null;
  return typeof preset === 'string' && PRESET_NAMES.includes(preset) ? preset : null;
}

/** A trial's configuration; the whole one where the study recorded it. */
export function copyAs(form: Form, study: ShownStudy, trial: Trial, config: Attributes | null): string {
  const preset = presetOf(study);
  const values = config ?? (preset === null ? trial.params : settingsOf(trial.params));
  if (form === 'JSON') return JSON.stringify(values, null, 2);
  const base: Attributes = preset === null ? {} : { ...presetConfig(preset) };
  const changed = Object.entries(values).filter(
    ([name, value]) => value !== null && value !== own(base, name),
  );
  if (form === 'Command line') {
    const words = changed.map(([name, value]) =>
      value === false && preset !== null
        ? `--no-${kebab(name)}`
        : shellQuoted(
            `--${kebab(name)}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
          ),
    );
    const command = preset === null ? [] : ['npx tinygpt train', `--preset ${preset}`];
    return printable([...command, ...words].join(' \\\n  '));
  }
  const lines = changed.map(([name, value]) => `  ${propertyOf(name)}: ${JSON.stringify(value)},`).join('\n');
  if (preset === null) return `const params = {\n${lines}\n};`;
  return `import { presetConfig } from 'tinygpt';\n\nconst config = {\n  ...presetConfig('${preset}'),\n${lines}\n};`;
}

const propertyOf = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__' ? name : `[${JSON.stringify(name)}]`;
