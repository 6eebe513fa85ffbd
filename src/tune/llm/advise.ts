// A model's advice on a search, asked for once: space, ranges, priors, defaults and first configurations. It becomes a file
// that shows what differs from the default, for a person to accept or edit; the search is left to a classic sampler.

import { EnvironmentError, UsageError } from '../../base/errors.js';
import { printable } from '../../base/format.js';
import { formatJson, show } from '../../base/json.js';
import { isObject } from '../../base/valid.js';
import { describeDistribution, sameDistribution } from '../distributions.js';
import { own } from '../objects.js';
import { checkSpace, type TunableSpace } from '../space.js';
import type { Check } from '../studyTypes.js';
import type { Direction, Params } from '../types.js';
import { AnswerError, objectIn, readParams, readReason } from './answer.js';
import type { Caller } from './caller.js';
import { converse } from './converse.js';
import { advicePrompt, type PromptContext } from './prompt.js';

/** Checked advice. */
export type Advice = {
  setup: TunableSpace;
  /** Configurations to try first. */
  first: Params[];
  /** What differs from the default, a line each. */
  changes: string[];
};

export type AdviceRequest = {
  setup: TunableSpace;
  direction: Direction;
  context: PromptContext;
  /** Parameters that may be added, with what they mean. */
  more: Readonly<Record<string, string>>;
  check?: Check | undefined;
};

const MOST_FIRST = 5;

/**
 * Asks once; an answer that cannot be used may be corrected once.
 * @throws EnvironmentError where no usable advice came, with the reason
 */
export async function askAdvice(
  request: AdviceRequest,
  caller: Caller,
  signal: AbortSignal,
): Promise<Advice> {
  const { setup, direction, context, more } = request;
  const prompt = advicePrompt({ ...setup, direction }, context, more);
  const read = (text: string) => readAdvice(text, request);
  const key = { purpose: 'advise', trial: null } as const;
  const { answer, failed } = await converse(caller, key, prompt, read, signal);
  if (answer) return answer;
  throw new EnvironmentError(
    `No usable advice (${failed}); run without --advise to search the default space`,
  );
}

/** @throws AnswerError for what the space or the study's check refuses */
function readAdvice(text: string, { setup, more, check }: AdviceRequest): Advice {
  const { space, defaults = {}, first = [], reasons } = objectIn(text, 'space');
  if (!isObject(space)) throw new AnswerError(`Expected "space" to be an object, got ${show(space)}`);
  for (const name of Object.keys(space))
    if (!Object.hasOwn(setup.space, name) && !Object.hasOwn(more, name))
      throw new AnswerError(`Parameter ${show(name)} can neither be searched nor added`);
  // Fixed by the user stays fixed.
  const advised = { ...readSpace(space, defaults, setup.defaults), fixed: setup.fixed };
  const refused = check?.(advised.defaults);
  if (refused) throw new AnswerError(`The defaults cannot run (${refused.reason}: ${refused.detail})`);
  if (!Array.isArray(first) || first.length > MOST_FIRST)
    throw new AnswerError(
      `Expected "first" to be a list of at most ${MOST_FIRST} configurations, got ${show(first)}`,
    );
  const configurations = first.map((given: unknown, i) => {
    const whole = isObject(given) ? { ...advised.defaults, ...given } : given;
    try {
      const params = readParams(whole, advised.space);
      const cannot = check?.(params);
      if (cannot) throw new AnswerError(`It cannot run (${cannot.reason}: ${cannot.detail})`);
      return params;
    } catch (error) {
      throw error instanceof AnswerError
        ? new AnswerError(`Configuration ${i + 1} of "first": ${error.message}`)
        : error;
    }
  });
  return {
    setup: advised,
    first: configurations,
    changes: changesOf(setup, advised, configurations, reasons),
  };
}

/** As `checkSpace`. @throws AnswerError */
function readSpace(...given: Parameters<typeof checkSpace>): TunableSpace {
  try {
    return checkSpace(...given);
  } catch (error) {
    throw error instanceof UsageError ? new AnswerError(error.message) : error;
  }
}

/** What differs, a line each, with the model's reason. */
function changesOf(
  from: TunableSpace,
  to: TunableSpace,
  first: readonly Params[],
  reasons: unknown,
): string[] {
  const names = [...new Set([...Object.keys(from.space), ...Object.keys(to.space)])];
  const lines = names.flatMap((name) => {
    const [before, after] = [own(from.space, name), own(to.space, name)];
    const why = isObject(reasons) ? readReason(own(reasons, name)) : '';
    const because = why === '' ? '' : ` (${why})`;
    if (!before) return [`+ ${name}: ${describe(to, name)}${because}`];
    if (!after) return [`- ${name}: ${describe(from, name)}, not searched${because}`];
    const same = sameDistribution(before, after) && own(from.defaults, name) === own(to.defaults, name);
    return same ? [] : [`~ ${name}: ${describe(from, name)} -> ${describe(to, name)}${because}`];
  });
  return [...lines, ...first.map((params) => `+ first: ${formatJson(params)}`)].map(printable);
}

function describe({ space, defaults }: TunableSpace, name: string): string {
  const { prior, ...distribution } = space[name]!;
  const belief = prior
    ? `, prior ${show(prior.center)}${prior.width === undefined ? '' : ` +- ${prior.width}`}`
    : '';
  return `${describeDistribution(distribution)}, default ${show(own(defaults, name))}${belief}`;
}

/** The advice as a space file (JSON with comments) that shows what differs from the default. */
export function adviceFile({ setup, changes }: Advice, heading: readonly string[]): string {
  const comment = [...heading, '', ...(changes.length > 0 ? changes : ['no change'])].map((line) =>
    `// ${line.replace(/\s/gu, ' ')}`.trimEnd(),
  );
  const { space, defaults, fixed } = setup;
  // Fixed parameters have one value, so that the file needs no options beside it.
  const single = Object.entries(fixed).map(([name, value]) => [
    name,
    { kind: 'categorical', choices: [value] },
  ]);
  const entries = (object: object) =>
    Object.entries(object)
      .map(([name, value]) => `    ${JSON.stringify(name)}: ${formatJson(value)}`)
      .join(',\n');
  const whole = entries({ ...space, ...Object.fromEntries(single) });
  return `${comment.join('\n')}\n{\n  "space": {\n${whole}\n  },\n  "defaults": {\n${entries({ ...defaults, ...fixed })}\n  }\n}\n`;
}
