// URLs of storages: what they mean, and what a user is told of those that mean nothing.

import { describe, expect, test } from '@jest/globals';
import { createStudyEntry } from '../../src/tune/journal/records.js';
import { openStorage } from '../../src/tune/storage/index.js';
import { checkAddress, grpcAddress, redisAddress } from '../../src/tune/storage/network/address.js';
import { hasRedis, startRedis } from './servers.js';

test.each([
  ['redis://h', { host: 'h', port: 6379, database: 0, prefix: '', encrypted: false }],
  ['rediss://h:1', { host: 'h', port: 1, encrypted: true }],
  ['redis://[::1]:7/2', { host: '::1', port: 7, database: 2 }],
  ['redis://h/2?db=3&prefix=a%20b%40', { database: 3, prefix: 'a b@' }],
  ['redis://:p%40%2F%3F%23%25@h/', { username: undefined, password: 'p@/?#%', database: 0 }],
  ['redis://u%3A:p@h', { username: 'u:', password: 'p' }],
])('%s is read as Python reads it', (url, address) => {
  checkAddress(url);
  expect(redisAddress(url)).toMatchObject(address);
});

test.each([
  ['grpc://h:13000', 'h:13000'],
  ['grpc://[::1]:13000/', '[::1]:13000'],
  ['grpc://h', 'h:80'],
])('%s is the proxy at %s', (url, address) => {
  checkAddress(url);
  expect(grpcAddress(url)).toBe(address);
});

test.each([
  ['mysql://u:hidden@h/db', /^Expected a storage like redis:.*got "mysql:\/\/h\/db"$/],
  ['redis:/h', /^Expected a storage like redis:\/\/host:6379, .*got "redis:\/h"$/],
  ['redis://', /^Expected a storage like/],
  ['redis://:hid/den@h:6379', /percent-encoded \(@ is %40/],
  ['redis://:hid?den@h:6379', /percent-encoded/],
  ['redis://u:12?hidden@h:6379', /percent-encoded/],
  ['redis://:hidden%zz@h:6379', /percent-encoded/],
  ['redis://h/name', /a number as database, got "redis:\/\/h\/name"$/],
  ['redis://h?db=one', /a number as database/],
  ['redis://:hidden@h?timeout=3', /got "redis:\/\/h\?timeout=3"$/],
  ['grpc://u:hidden@h:1', /^Expected a storage like grpc:\/\/host:13000/],
  ['grpc://h:1/db', /^Expected a storage like grpc:\/\/host:13000/],
])('%s is refused before anything connects, and no password is shown', (url, message) => {
  const refused = () => openStorage(url);
  expect(refused).toThrow(message);
  expect(refused).not.toThrow(/hidden|hid.den/);
});

(hasRedis ? describe : describe.skip)('a Redis', () => {
  test('that refuses a user says which it is and how to write a password', async () => {
    const { port } = await startRedis();
    const open = () => openStorage(`redis://nobody:hidden@127.0.0.1:${port}`);
    expect(open).toThrow(
      new RegExp(
        `^Redis at 127\\.0\\.0\\.1:${port} refuses: WRONGPASS .*; user and password go into the URL`,
      ),
    );
    expect(open).not.toThrow(/hidden/);
  });

  test('has a study in the database that the URL names, either way', async () => {
    const { port } = await startRedis();
    const at = (rest: string) => openStorage(`redis://127.0.0.1:${port}${rest}`);
    const [written, same, other] = [at('/2'), at('?db=2'), at('')];
    written.transact(() => [createStudyEntry('one', 'minimize')]);
    const names = [same, other].map((storage) => {
      storage.refresh();
      return storage.log.studies().map(({ name }) => name);
    });
    for (const storage of [written, same, other]) storage.close();
    expect(names).toEqual([['one'], []]);
  });
});
