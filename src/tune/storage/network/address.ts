// URLs of storages: what of them a client connects to.

import { UsageError } from '../../../base/errors.js';
import { show } from '../../../base/json.js';

/** A URL as it may be shown. */
export const shownPlace = (url: string): string => url.replace(/:\/\/[^/?#]*@/, '://');

export type RedisAddress = {
  host: string;
  port: number;
  encrypted: boolean;
  username: string | undefined;
  password: string | undefined;
  database: number;
  /** Optuna's `prefix`. */
  prefix: string;
};

/**
 * Reads `redis://USER:PASSWORD@HOST:PORT/DATABASE?prefix=P`, also `rediss://`, and `?db=DATABASE` as Python's redis does.
 * @throws UsageError for another URL
 */
export function redisAddress(url: string): RedisAddress {
  const { protocol, hostname, port, username, password, pathname, searchParams } = new URL(url);
  const database = searchParams.get('db') ?? pathname.slice(1);
  const unknown = [...searchParams.keys()].find((key) => key !== 'db' && key !== 'prefix');
  if (!/^\d{0,5}$/.test(database) || unknown !== undefined)
    throw new UsageError(
      `Expected a storage like redis://host:6379/DATABASE?prefix=TEXT with a number as database, got ${show(shownPlace(url))}`,
    );
  return {
    host: bare(hostname),
    port: Number(port || 6379),
    encrypted: protocol === 'rediss:',
    username: username ? decodeURIComponent(username) : undefined,
    password: password ? decodeURIComponent(password) : undefined,
    database: Number(database),
    prefix: searchParams.get('prefix') ?? '',
  };
}

/** Reads `grpc://HOST:PORT`. @throws UsageError for another URL */
export function grpcAddress(url: string): string {
  const { hostname, port, username, password, pathname, search } = new URL(url);
  if (username || password || pathname.length > 1 || search)
    throw new UsageError(
      `Expected a storage like grpc://host:13000, of which the proxy knows the rest, got ${show(shownPlace(url))}`,
    );
  return `${hostname}:${port || 80}`;
}

const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');

/** @throws UsageError for what is no URL of a storage */
export function checkAddress(url: string): void {
  const [, kind, authority, rest = ''] = /^(redis|rediss|grpc):\/\/([^/?#]+)(.*)$/s.exec(url) ?? [];
  // An @ behind the host: a password ended early. It is not shown.
  if (kind !== undefined && (rest.includes('@') || !isDecodable(authority!)))
    throw new UsageError(
      `Expected a storage like ${kind}://:PASSWORD@host, of whose password and prefix special characters are percent-encoded (@ is %40, / %2F, ? %3F, # %23, % %25)`,
    );
  if (kind === undefined || !URL.canParse(url))
    throw new UsageError(
      `Expected a storage like redis://host:6379, rediss://host:6379 or grpc://host:13000, got ${show(shownPlace(url))}`,
    );
  if (kind === 'grpc') grpcAddress(url);
  else redisAddress(url);
}

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== '';
  } catch {
    return false;
  }
}
