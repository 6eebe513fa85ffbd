// A scripted endpoint for the providers, and what the tests of models share.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CallerOptions, openCaller } from '../../../src/tune/llm/caller.js';
import { type CallLog, openCallLog } from '../../../src/tune/llm/callLog.js';
import type { PromptContext } from '../../../src/tune/llm/prompt.js';
import type { Message, Provider } from '../../../src/tune/llm/provider.js';

export type Request = { path: string; headers: IncomingMessage['headers']; body: Record<string, unknown> };
type Step = (response: ServerResponse, request: Request) => void;

/** Answers requests by the steps in turn, the last one again and again. */
export async function scriptedServer(...steps: Step[]) {
  const requests: Request[] = [];
  const server = createServer(async (incoming, response) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const request = { path: incoming.url!, headers: incoming.headers, body: JSON.parse(text) };
    requests.push(request);
    (steps[requests.length - 1] ?? steps.at(-1)!)(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url, requests, close };
}

/** An answer in OpenAI's form. */
export const says =
  (content: string, usage: object | null = { prompt_tokens: 1000, completion_tokens: 100 }): Step =>
  (response) => {
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ model: 'tiny-1', choices: [{ message: { content } }], ...(usage && { usage }) }),
    );
  };
export const status =
  (code: number, message = 'no', headers: Record<string, string> = {}): Step =>
  (response) => {
    response.writeHead(code, headers).end(JSON.stringify({ error: { message } }));
  };
export const cut: Step = (response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"choices":');
  setImmediate(() => response.destroy());
};
export const silent: Step = () => undefined;

/** A provider that answers by a script, with the tokens it counts. */
export function scriptedProvider(
  reply: (messages: readonly Message[], call: number, signal: AbortSignal) => string | Promise<string>,
): Provider & { calls: (readonly Message[])[] } {
  const calls: (readonly Message[])[] = [];
  return {
    kind: 'openai',
    model: 'scripted',
    place: 'http://127.0.0.1:1',
    maxTokens: 1000,
    calls,
    async ask(messages, signal) {
      calls.push(messages);
      const text = await reply(messages, calls.length - 1, signal);
      return { text, inputTokens: 500, outputTokens: 50, cost: null };
    },
  };
}

export const context: PromptContext = {
  task: ['a parabola'],
  metricName: 'loss',
  perTrial: '1 s per trial',
  meanings: { x: 'where to look' },
};

/** A caller that does not wait between attempts, and its log. */
export function callerFor(
  path: string,
  options: Partial<CallerOptions>,
): { log: CallLog; notes: string[] } & ReturnType<typeof openCaller> {
  const log = openCallLog(path);
  const notes: string[] = [];
  const caller = openCaller({
    provider: null,
    log,
    wait: async () => undefined,
    onNote: (line) => notes.push(line),
    ...options,
  });
  return { ...caller, log, notes };
}

export const never: AbortSignal = new AbortController().signal;
