// The log of Optuna's JournalRedisBackend: `PREFIX:log_number` is the number of the last record (-1 at first),
// `PREFIX:log:N` the text of record N. Optuna numbers and writes a record in one script; so do we, but only where
// nothing was written since the caller read, which makes a lock unnecessary.

import { createClient, ErrorReply } from '@redis/client';
import { messageOf } from '../../../base/errors.js';
import { redisAddress } from './address.js';
import { answerMs, ConnectionLost, type Endpoint, inTime } from './endpoint.js';

/** What the script answers: whether the lines were written, and the records since `from`; null where what was read is gone. */
export type Exchange = { appended: boolean; lines: (string | null)[] } | null;

/**
 * A server that is there, and cannot do what it is asked yet: it starts, is a replica, or its memory or disk is full. Redis 6
 * puts `ERR Error running script (call to f_...): @user_script:9: @user_script: 9: -` before that.
 */
const temporary =
  /(?:^|@user_script: \d+: -)(LOADING|MASTERDOWN|BUSY|READONLY|UNBLOCKED|OOM|MISCONF|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|ERR max number of clients)/;

/** Codes of a certificate that is not accepted, which trying again does not change. */
const untrusted = /CERT|LEAF_SIGNATURE|INVALID_CA|HOSTNAME/;

/** Records that one call returns at most; the server does nothing else meanwhile. */
const most = 1000;

/** ARGV: prefix, the first number that the caller has not read, the SHA-1 of the record before it, the lines to write. */
const script = `
local log_number = ARGV[1] .. ':log_number'
local from = tonumber(ARGV[2])
local top = tonumber(redis.call('get', log_number) or '-1')
local function key(i) return string.format('%s:log:%d', ARGV[1], i) end
if from > 0 and (top + 1 < from or redis.sha1hex(redis.call('get', key(from - 1)) or '') ~= ARGV[3]) then return { 2 } end
if top + 1 == from then
  for i = 4, #ARGV do
    top = top + 1
    redis.call('set', key(top), ARGV[i])
  end
  if #ARGV > 3 then redis.call('set', log_number, string.format('%d', top)) end
  return { 1 }
end
local out = { 0 }
for i = from, math.min(top, from + ${most} - 1) do out[#out + 1] = redis.call('get', key(i)) end
return out`;

/** @param url as Optuna's, with \`?prefix=P\` for its \`prefix\` */
export function redisEndpoint(url: string): Endpoint {
  const { host, port, encrypted, username, password, database, prefix } = redisAddress(url);
  const place = new URL(url).host;
  let client: ReturnType<typeof open> | undefined;

  function open() {
    const made = createClient({
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      database,
      disableOfflineQueue: true,
      // The thread reconnects.
      socket: {
        host,
        port,
        ...(encrypted && { tls: true as const }),
        reconnectStrategy: false,
        connectTimeout: answerMs,
      },
    });
    made.on('error', () => {}); // each call has its own
    return made;
  }

  /** What the server says no to, for good. */
  function refusal({ message }: ErrorReply): Error {
    const help = /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH)/.test(message)
      ? '; user and password go into the URL: redis://USER:PASSWORD@host, special characters percent-encoded (@ is %40)'
      : '';
    return new Error(`Redis at ${place} refuses: ${message}${help}`);
  }

  function close(): void {
    try {
      client?.destroy();
    } catch {
      // never connected
    }
    client = undefined;
  }

  return {
    async connect() {
      close();
      client = open();
      try {
        await inTime(client.connect(), 'a connection');
      } catch (error) {
        if (untrusted.test(`${(error as NodeJS.ErrnoException).code}`))
          throw new Error(
            `Certificate of ${place}: ${messageOf(error)}; NODE_EXTRA_CA_CERTS=FILE adds the authority that signed it`,
          );
        if (!(error instanceof ErrorReply) || temporary.test(error.message))
          throw new ConnectionLost(messageOf(error));
        throw refusal(error);
      }
    },
    async call(_method, args) {
      const [from, before, lines] = args as [number, string, string[]];
      if (!client) throw new ConnectionLost('not connected');
      try {
        const text = [prefix, String(from), before, ...lines];
        const reply = await inTime(client.eval(script, { arguments: text }), 'a command');
        const [kind, ...read] = reply as [number, ...(string | null)[]];
        return (kind === 2 ? null : { appended: kind === 1, lines: read }) satisfies Exchange;
      } catch (error) {
        if (error instanceof ErrorReply && !temporary.test(error.message)) throw refusal(error);
        throw new ConnectionLost(messageOf(error));
      }
    },
    close,
  };
}
