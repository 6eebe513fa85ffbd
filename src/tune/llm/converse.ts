// A question to a model, and one more where its answer cannot be used.

import { AnswerError } from './answer.js';
import type { Caller } from './caller.js';
import type { CallKey, EndRecord } from './callLog.js';
import { type Prompt, repairPrompt } from './prompt.js';

/**
 * Asks, and where `read` throws an AnswerError, asks once to correct that.
 * @returns the answer, or why there is none; `ends` are the calls it took
 * @throws the signal's reason
 */
export async function converse<T>(
  caller: Caller,
  { purpose, trial }: Pick<CallKey, 'purpose' | 'trial'>,
  first: Prompt,
  read: (text: string) => T,
  signal: AbortSignal,
): Promise<{ answer?: T; failed?: string; ends: EndRecord[] }> {
  const ends: EndRecord[] = [];
  let { messages, about } = first;
  let failed = '';
  for (const each of [purpose, 'repair'] as const) {
    const outcome = await caller.ask({ purpose: each, trial, about }, messages, signal);
    ends.push(...outcome.ends);
    if (outcome.text === undefined) return { failed: outcome.failed, ends };
    try {
      return { answer: read(outcome.text), ends };
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      failed = error.message;
      ({ messages, about } = repairPrompt(first, outcome.text, failed));
    }
  }
  return { failed, ends };
}
