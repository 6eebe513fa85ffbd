// What answers prompts: an endpoint or a command. One call is one attempt; caller.ts repeats, counts and records.

export type Message = { role: 'system' | 'user' | 'assistant'; content: string };

/** What a provider gave back. Counts are those it reported; null where it reported none. */
export type Reply = {
  text: string;
  inputTokens: number | null;
  outputTokens: number | null;
  /** Dollars, where the provider itself says what the call cost. */
  cost: number | null;
  /** Why the text is empty, where that is said. */
  refused?: string | undefined;
  /** The model that answered, where that is said. */
  model?: string | undefined;
};

export interface Provider {
  /** Kind of provider: `openai`, `anthropic`, `command` or `stand-in`. */
  readonly kind: string;
  /** The model's name, or the command. */
  readonly model: string;
  /** Where it is, for messages. */
  readonly place: string;
  /** Most tokens of an answer; null where that cannot be set. */
  readonly maxTokens: number | null;
  /** A sentence to show wherever results are shown, where the provider is no model. */
  readonly caution?: string;
  /**
   * One attempt.
   * @throws Retriable, RefusedError or EnvironmentError; the signal's reason
   */
  ask(messages: readonly Message[], signal: AbortSignal): Promise<Reply>;
}

/** Messages as one text, for providers that take no roles. */
export const asText = (messages: readonly Message[]): string =>
  messages
    .map(({ role, content }) => (role === 'assistant' ? `Your answer was:\n${content}` : content))
    .join('\n\n');

/** A count of tokens as a provider reports it, or null. */
export const tokenCount = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;

/** Environment variables whose values must appear nowhere. */
const SECRET = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i;
/** Shorter values are words that occur by chance. */
const SHORTEST_SECRET = 8;

/**
 * Replaces the values of secret environment variables: endpoints and commands may repeat a key in what they say.
 * @param more values to replace besides
 */
export function redactor(
  env: Readonly<Record<string, string | undefined>>,
  ...more: (string | undefined)[]
): (text: string) => string {
  const named = Object.entries(env).flatMap(([name, value]) => (SECRET.test(name) ? [value] : []));
  const values = [...named, ...more]
    .flatMap((value) => (value === undefined ? [] : [value, value.trim()]))
    .filter((value) => value.length >= SHORTEST_SECRET);
  const forms = values.flatMap((value) => [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64'),
  ]);
  const longestFirst = [...new Set(forms)].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((shown, form) => shown.replaceAll(form, '[secret]'), text);
}
