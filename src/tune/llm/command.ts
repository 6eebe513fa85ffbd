// Any program as a provider: the prompt on its stdin, the answer on its stdout, such as a local coding agent in print mode.
// It runs with your rights in the current folder; what it writes is only read as an answer.

import { spawn } from 'node:child_process';
import { EnvironmentError } from '../../base/errors.js';
import { isObject } from '../../base/valid.js';
import { asText, type Provider, type Reply, tokenCount } from './provider.js';

const MOST_BYTES = 4 << 20;
/** Bytes of stderr that an error message shows. */
const SHOWN_BYTES = 300;
/** Between asking its processes to end and ending them. */
const GRACE_MS = 2000;

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
    ask: async (messages, signal) => readReply(await run(command, asText(messages), 1000 * timeout, signal)),
  };
}

function run(command: string, input: string, timeout: number, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    // A process group of its own, so that what it starts ends with it.
    const child = spawn(command, { shell: true, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    let bytes = 0;
    let complaint = '';
    let ended: Error | undefined;
    let killing: NodeJS.Timeout | undefined;
    const kill = (name: NodeJS.Signals) => {
      try {
        process.kill(-child.pid!, name);
      } catch {
        // It has ended.
      }
    };
    const end = (reason: Error) => {
      if (ended) return;
      ended = reason;
      kill('SIGTERM');
      killing = setTimeout(() => kill('SIGKILL'), GRACE_MS);
    };
    const abort = () => end(signal.reason as Error);
    const late = setTimeout(
      () =>
        end(new EnvironmentError(`No answer from the command within ${timeout / 1000} s; allow more time`)),
      timeout,
    );
    signal.addEventListener('abort', abort);
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MOST_BYTES) out.push(chunk);
      else end(new EnvironmentError(`Expected at most ${MOST_BYTES} bytes from the command, got more`));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-SHOWN_BYTES);
    });
    child.stdin.on('error', () => undefined); // it may answer without reading
    child.stdin.end(input);
    const finish = (settle: () => void) => {
      clearTimeout(late);
      clearTimeout(killing);
      signal.removeEventListener('abort', abort);
      settle();
    };
    child.on('error', (error) =>
      finish(() => reject(new EnvironmentError(`The command cannot run: ${error.message}`))),
    );
    child.on('close', (code, killedBy) => {
      kill('SIGKILL'); // what it left in the background
      finish(() => {
        if (ended) reject(ended);
        else if (code === 0) resolve(Buffer.concat(out).toString('utf8'));
        else
          reject(
            new EnvironmentError(
              `The command ended with ${killedBy ?? `code ${code}`}${complaint.trim() && `: ${complaint.trim()}`}`,
            ),
          );
      });
    });
  });
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
