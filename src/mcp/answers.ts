// What the tools answer: results as JSON, numbers and texts of trials, and news of a call under way.

import type { ServerContext } from '@modelcontextprotocol/server';
import { printable } from '../base/format.js';
import { formatStandardJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { bestTrial } from '../tune/best.js';
import { describeDistribution } from '../tune/distributions.js';
import type { Study } from '../tune/studyTypes.js';
import type { Attributes, SearchSpace, Trial } from '../tune/types.js';

const MOST_MESSAGE = 300;

/** Tells the client how far a call is, where it asked for that. */
export function notify(ctx: ServerContext, progress: number, total: number, message: string): void {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  const params = { progressToken, progress, total, message: printable(message) };
  ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => undefined); // the client is gone
}

/** A result as JSON, infinite numbers as 1e999. */
export const answer = (result: object) => ({
  content: [{ type: 'text' as const, text: formatStandardJson(result) }],
});

/** The space in words, by parameter. */
export const describeSpace = (space: SearchSpace) =>
  Object.fromEntries(
    Object.entries(space).map(([name, distribution]) => [name, describeDistribution(distribution)]),
  );

/** How many trials ended how. */
export function progressOf(trials: readonly Trial[]) {
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  return {
    trials: trials.length,
    complete: count('complete'),
    failed: count('fail'),
    pruned: count('pruned'),
  };
}

/** The best trial, or null. */
export function bestOf({ trials, direction }: Pick<Study, 'trials' | 'direction'>) {
  const best = bestTrial(trials, direction);
  return { best: best && { trial: best.number, value: best.value, params: best.params } };
}

/** What its runs on fresh seeds have shown, where there are any. */
export const confirmationOf = ({ confirmation }: Attributes) =>
  isObject(confirmation) ? { confirmation } : {};

/** A trial's value, or why it has none. */
export function stateOf({ state, value, userAttrs }: Trial): string {
  if (state === 'complete') return `${value}`;
  return state === 'fail' ? `failed (${bounded(userAttrs.fail_reason ?? 'unknown')})` : state;
}

/** The beginning of a text from a trial. */
export const bounded = (value: unknown): string => printable(String(value ?? '')).slice(0, MOST_MESSAGE);
