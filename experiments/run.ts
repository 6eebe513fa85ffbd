// npm run experiment -- seed-comparison --scale taste | evening | night [--out FOLDER] [options of tinygpt tune]
// The comparison of samplers at three scales: the same space, data, budget, seeds and first configuration for all. The
// options of a scale are defaults of `tinygpt tune --contest`; what follows on the command line overrides them. The same
// command resumes.

import { kebab } from '../src/base/names.js';
import { runMain } from '../src/cli/process.js';

/** Samplers without a model, and two with a scripted stand-in for one, which is no result of a model. */
const CONTESTANTS = 'random,gp,cmaes,tpe,hybrid,llm';

type Options = Readonly<Record<string, string>>;

/** Two CPU cores: sizes fixed, so that a trial takes the same time whatever is proposed. */
const CPU: Options = {
  space: 'cpu',
  fix: 'depth=3 width=96 log2_headDim=5',
  bundled: '4',
  backend: 'native',
  contest: CONTESTANTS,
  llm: 'stand-in',
};

const SCALES: Readonly<Record<string, { about: string; options: Options }>> = {
  taste: {
    about: 'ten minutes on two CPU cores: three seeds, 30 s a race, trials of 8,192 tokens',
    options: { ...CPU, seeds: '3', minutes: '0.5', trialTokens: '8192', repeats: '3', confirm: '2' },
  },
  evening: {
    about: 'two hours on two CPU cores: five seeds, four minutes a race, trials of 16,384 tokens',
    options: { ...CPU, seeds: '5', minutes: '4', trialTokens: '16384', repeats: '5', confirm: '3' },
  },
  night: {
    about: 'eight hours a contestant on a 12 GB GPU: one seed, five minutes a trial, TinyStories',
    options: {
      space: 'consumer',
      preset: 'tinystories',
      hub: 'karpathy/tinystories-gpt4-clean',
      contest: CONTESTANTS,
      llm: 'stand-in',
      seeds: '1',
      hours: '8',
      trialSeconds: '300',
      repeats: '3',
      confirm: '3',
      references: 'tinystories',
    },
  },
};

/** The command line of a scale, with what is given in place of its own options. */
export function contestArguments(scale: string, given: readonly string[]): string[] {
  const { options } = SCALES[scale]!;
  const names = new Set(
    given.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0]!.slice(2)),
  );
  const groups = [
    ['minutes', 'hours', 'trials'],
    ['trial-tokens', 'trial-seconds', 'trial-steps'],
    ['bundled', 'text', 'hub'],
    ['llm', 'llm-command', 'llm-url', 'llm-replay'],
  ];
  /** Another way to say the same. */
  const isGiven = (name: string) =>
    names.has(name) ||
    groups.some((group) => group.includes(name) && group.some((other) => names.has(other)));
  const own = Object.entries(options).flatMap(([key, value]) => {
    const name = kebab(key);
    if (isGiven(name)) return [];
    return key === 'fix' ? value.split(' ').flatMap((each) => ['--fix', each]) : [`--${name}`, value];
  });
  const out = names.has('out') ? [] : ['--out', `studies/seed-comparison-${scale}`];
  return ['tune', ...own, ...out, ...given];
}

/** Runs the command line; prints how it is used where it is another. */
async function main(given: readonly string[]): Promise<void> {
  const argv = given.flatMap((word) => word.match(/^(--scale)=(.*)$/)?.slice(1) ?? [word]);
  const at = argv.indexOf('--scale');
  const scale = at < 0 ? undefined : argv[at + 1];
  if (argv[0] !== 'seed-comparison' || scale === undefined || !Object.hasOwn(SCALES, scale)) {
    const scales = Object.entries(SCALES).map(([name, { about }]) => `  ${name.padEnd(8)} ${about}`);
    process.stderr.write(
      `npm run experiment -- seed-comparison --scale NAME [options of tinygpt tune]\n${scales.join('\n')}\n`,
    );
    process.exitCode = 2;
    return;
  }
  const rest = argv.filter((_, i) => i !== 0 && i !== at && i !== at + 1);
  await runMain(contestArguments(scale, rest));
}

if (process.argv[1]?.endsWith('run.js')) await main(process.argv.slice(2));
