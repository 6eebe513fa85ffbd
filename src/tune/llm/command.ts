// Any program as a provider: the prompt on its stdin, the answer on its stdout, such as a local coding agent in print mode.
// It runs with your rights in the current folder, and what it starts ends with it; what it writes is only read as an answer.

import { EnvironmentError, messageOf } from '../../base/errors.js';
import { isObject } from '../../base/valid.js';
import { runProcess } from '../script/processes.js';
import { asText, type Provider, type Reply, tokenCount } from './provider.js';

const MOST_BYTES = 4 << 20;
/** Bytes of stderr that an error message shows. */
const SHOWN_BYTES = 300;

/**
 * A shell command. Where its output is one JSON object with a text `result`, as coding agents print it, usage and cost are
 * taken from there.
 * @param timeout seconds until it must have ended
 */
export function commandProvider(command: string, timeout: number): Provider {
  return {
    kind: 'command',
    model: command,
    place: 'the command',
    maxTokens: null,
    ask: async (messages, signal) => readReply(await run(command, asText(messages), timeout, signal)),
  };
}

async function run(command: string, input: string, seconds: number, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const out: Buffer[] = [];
  let bytes = 0;
  let complaint = '';
  const flood = new AbortController();
  const end = await runProcess(command, {
    cwd: process.cwd(),
    env: process.env,
    timeLimit: seconds,
    signal: AbortSignal.any([signal, flood.signal]),
    input,
    onOutput: (chunk, from) => {
      if (from === 'stderr') complaint = (complaint + chunk.toString('utf8')).slice(-SHOWN_BYTES);
      else if ((bytes += chunk.length) <= MOST_BYTES) out.push(chunk);
      else flood.abort();
    },
  }).catch((error) => {
    throw new EnvironmentError(`The command cannot run: ${messageOf(error)}`);
  });
  signal.throwIfAborted();
  if (end.stopped === 'timeout')
    throw new EnvironmentError(`No answer from the command within ${seconds} s; allow more time`);
  if (bytes > MOST_BYTES)
    throw new EnvironmentError(`Expected at most ${MOST_BYTES} bytes from the command, got more`);
  if (end.code !== 0)
    throw new EnvironmentError(
      `The command ended with ${end.signal ?? `code ${end.code}`}${complaint.trim() && `: ${complaint.trim()}`}`,
    );
  return Buffer.concat(out).toString('utf8');
}

/** The answer, with usage and cost where the output says them. */
function readReply(output: string): Reply {
  const plain = { text: output, inputTokens: null, outputTokens: null, cost: null };
  let document: unknown;
  try {
    document = JSON.parse(output);
  } catch {
    return plain;
  }
  if (!isObject(document) || typeof document.result !== 'string') return plain;
  const { result, usage, total_cost_usd: cost, model } = document;
  if (document.is_error === true) throw new EnvironmentError(`The command failed: ${result.slice(0, 300)}`);
  const { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens } = isObject(
    usage,
  )
    ? usage
    : {};
  const input = tokenCount(input_tokens);
  const cached = (tokenCount(cache_creation_input_tokens) ?? 0) + (tokenCount(cache_read_input_tokens) ?? 0);
  return {
    text: result,
    inputTokens: input === null ? null : input + cached,
    outputTokens: tokenCount(output_tokens),
    cost: typeof cost === 'number' && cost >= 0 && cost < Infinity ? cost : null,
    model: typeof model === 'string' ? model.slice(0, 100) : undefined,
  };
}
