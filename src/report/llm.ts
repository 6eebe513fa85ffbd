// What a language model in a search answered and cost, in lines for people.

import { counted, duration, printable } from '../base/format.js';
import { isObject } from '../base/valid.js';
import type { ReportedStudy } from './study.js';

/** Calls, tokens, cost and time of a study's `llm_usage`. What is unknown is said. */
export function usageText(usage: Readonly<Record<string, unknown>>): string {
  const count = (name: string) => (typeof usage[name] === 'number' ? (usage[name] as number) : 0);
  const [input, output] = [count('input_tokens'), count('output_tokens')];
  const known = `${counted(input, 'token')} in, ${counted(output, 'token')} out`;
  const uncounted =
    count('unknown_tokens') > 0 ? [`tokens unknown for ${counted(count('unknown_tokens'), 'answer')}`] : [];
  const unpriced =
    count('unknown_cost') > 0 ? [`cost unknown for ${counted(count('unknown_cost'), 'call')}`] : [];
  const dollars = count('cost_usd');
  return [
    counted(count('calls'), 'call'),
    ...(count('replayed') > 0 ? [`${count('replayed')} replayed`] : []),
    ...(uncounted.length > 0 && input + output === 0 ? [] : [known]),
    ...uncounted,
    ...(unpriced.length > 0 && dollars === 0 ? [] : [`$${dollars.toFixed(4)}`]),
    ...unpriced,
    duration(count('seconds')),
  ].join(', ');
}

/** Lines about a study's calls to a model; none where there are none. */
export function llmLines({ userAttrs, trials }: Pick<ReportedStudy, 'userAttrs' | 'trials'>): string[] {
  const { llm, llm_usage: usage } = userAttrs;
  if (!isObject(usage)) return [];
  const about = isObject(llm) ? llm : {};
  const outcomes = trials.flatMap(({ userAttrs: { llm_outcome } }) =>
    typeof llm_outcome === 'string' ? [llm_outcome] : [],
  );
  const fallbacks = outcomes.filter((outcome) => outcome.startsWith('fallback')).length;
  const who = [about.provider, about.model].filter((part) => typeof part === 'string').join(' ') || 'model';
  const run = `; ${counted(outcomes.length - fallbacks, 'proposal')} run, ${counted(fallbacks, 'fallback')}`;
  return [
    `${who}: ${usageText(usage)}${outcomes.length > 0 ? run : ''}`,
    ...(typeof about.caution === 'string' ? [`Caution: ${about.caution}`] : []),
  ].map(printable);
}

/** What all calls cost: `$0.0123`, with more where that is unknown. */
export function costText(usage: Readonly<Record<string, unknown>>): string {
  const dollars = `$${Number(usage.cost_usd ?? 0).toFixed(4)}`;
  if (!usage.unknown_cost) return dollars;
  return usage.cost_usd ? `> ${dollars}` : 'unknown';
}
