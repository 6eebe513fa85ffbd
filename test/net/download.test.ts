// Downloads against a local server that drops, delays, refuses and lies. Nothing here waits: `wait` only records its calls.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EnvironmentError } from '../../src/base/errors.js';
import { hubRemedy } from '../../src/data/sources/hubSource.js';
import { type Download, downloadAll, downloadFile } from '../../src/net/download.js';
import type { HttpOptions } from '../../src/net/http.js';
import {
  bytesOf,
  dropper,
  type Handler,
  scratchFolder,
  serve,
  startServer,
  type TestServer,
} from './unreliableServer.js';

const content = bytesOf(100_000);
const half = content.subarray(0, 50_000);
let scratch: ReturnType<typeof scratchFolder>;
let servers: TestServer[];
let waits: number[];
let drop: ReturnType<typeof dropper>;
let options: HttpOptions & { onBytes: (bytes: number) => void };

beforeEach(() => {
  scratch = scratchFolder();
  servers = [];
  waits = [];
  drop = dropper();
  options = {
    remedy: hubRemedy,
    onBytes: drop.onBytes,
    wait: async (milliseconds) => {
      waits.push(milliseconds);
    },
  };
});

afterEach(async () => {
  for (const server of servers) await server.close();
  scratch.remove();
});

async function server(handle: Handler): Promise<TestServer> {
  const started = await startServer(handle);
  servers.push(started);
  return started;
}

const target = (url: string, known: Partial<Download> = {}): Download => ({
  url: `${url}/file.bin`,
  path: scratch.path('below/file.bin'),
  ...known,
});
const had = () => readFileSync(scratch.path('below/file.bin'));
const sendHalf = (response: ServerResponse, etag = '"one"') =>
  drop.send(response, half, { etag, 'content-length': String(content.length) });
const names = () => (existsSync(scratch.path('below')) ? readdirSync(scratch.path('below')).sort() : []);

describe('a downloaded file', () => {
  test('gets its name when it is complete, and leaves no temporary file', async () => {
    const { url } = await server((request, response) => serve(request, response, content));
    await downloadFile(target(url, { size: content.length }), options);
    expect(had().equals(content)).toBe(true);
    expect(names()).toEqual(['file.bin']);
    expect(waits).toEqual([]);
  });

  test('that exists is not requested again, unless its size differs', async () => {
    const { url, requests } = await server((request, response) => serve(request, response, content));
    await downloadFile(target(url), options);
    await downloadFile(target(url, { size: content.length }), options);
    expect(requests).toHaveLength(1);
    writeFileSync(scratch.path('below/file.bin'), 'cut short');
    await downloadFile(target(url, { size: content.length }), options);
    expect(requests).toHaveLength(2);
    expect(had().equals(content)).toBe(true);
  });

  test('whose folder cannot be created is an EnvironmentError', async () => {
    const { url } = await server((request, response) => serve(request, response, content));
    writeFileSync(scratch.path('below'), 'a file where the folder should be');
    await expect(downloadFile(target(url), options)).rejects.toThrow(
      /Cannot write .*choose a writable folder/,
    );
  });
});

describe('a dropped connection', () => {
  test('is resumed at the byte where it broke', async () => {
    const { url, requests } = await server((request, response, number) =>
      number === 0 ? sendHalf(response) : serve(request, response, content),
    );
    await downloadFile(target(url, { size: content.length }), options);
    expect(had().equals(content)).toBe(true);
    expect(requests[1]!.headers.range).toBe(`bytes=${half.length}-`);
    expect(requests[1]!.headers['if-range']).toBe('"one"');
    expect(waits).toHaveLength(1);
  });

  test('is resumed by a later call from the part on disk', async () => {
    const { url, requests } = await server((request, response, number) =>
      number === 0 ? sendHalf(response) : serve(request, response, content),
    );
    await expect(downloadFile(target(url), { ...options, attempts: 1 })).rejects.toThrow(EnvironmentError);
    expect(names()).toEqual(['file.bin.part', 'file.bin.part.json']);
    await downloadFile(target(url), options);
    expect(requests[1]!.headers.range).toBe(`bytes=${half.length}-`);
    expect(had().equals(content)).toBe(true);
    expect(names()).toEqual(['file.bin']);
  });

  test('does not count against a download that makes progress', async () => {
    const pieces = 20;
    const { url } = await server((request, response, number) => {
      if (number === pieces - 1) return serve(request, response, content);
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const headers = {
        etag: '"one"',
        'content-length': String(content.length - start),
        'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
      };
      drop.send(response, content.subarray(start, start + content.length / pieces), headers, start);
    });
    await downloadFile(target(url), { ...options, attempts: 2 });
    expect(had().equals(content)).toBe(true);
  });

  test('starts over when the server ignores ranges', async () => {
    const { url, requests } = await server((_, response, number) => {
      if (number === 0) sendHalf(response);
      else response.writeHead(200, { etag: '"one"', 'content-length': content.length }).end(content);
    });
    await downloadFile(target(url), options);
    expect(requests[1]!.headers.range).toBeDefined();
    expect(had().equals(content)).toBe(true);
  });

  test('starts over when the file has changed', async () => {
    const changed = bytesOf(80_000, 3);
    const { url } = await server((request, response, number) =>
      number === 0 ? sendHalf(response) : serve(request, response, changed, '"two"'),
    );
    await downloadFile(target(url), options);
    expect(had().equals(changed)).toBe(true);
  });

  test('starts over when the file has changed and the server resumes anyway', async () => {
    const changed = bytesOf(100_000, 3);
    const { url, requests } = await server((request, response, number) => {
      if (number === 0) return sendHalf(response);
      delete request.headers['if-range'];
      serve(request, response, changed, '"two"');
    });
    await downloadFile(target(url), options);
    expect(had().equals(changed)).toBe(true);
    expect(requests[2]!.headers.range).toBeUndefined();
  });

  test('is not resumed with a weak ETag', async () => {
    const { url, requests } = await server((request, response, number) =>
      number === 0 ? sendHalf(response, 'W/"one"') : serve(request, response, content, 'W/"one"'),
    );
    await downloadFile(target(url), options);
    expect(requests[1]!.headers.range).toBeUndefined();
    expect(had().equals(content)).toBe(true);
  });

  test('of a complete part downloads no further bytes', async () => {
    const { url, requests } = await server((request, response) => serve(request, response, content));
    await downloadFile(target(url), options);
    const { path } = target(url);
    writeFileSync(`${path}.part`, content);
    writeFileSync(`${path}.part.json`, JSON.stringify({ validator: '"one"' }));
    writeFileSync(path, '');
    await downloadFile(target(url, { size: content.length }), options);
    expect(requests).toHaveLength(1);
    expect(had().equals(content)).toBe(true);
  });
});

describe('a busy server', () => {
  test('is retried after its Retry-After, in seconds or as a date', async () => {
    const later = new Date(Date.now() + 120e3).toUTCString();
    const { url } = await server((request, response, number) => {
      if (number === 0) response.writeHead(429, { 'retry-after': '7' }).end();
      else if (number === 1) response.writeHead(503, { 'retry-after': later }).end();
      else if (number === 2) response.writeHead(500).end('oops');
      else serve(request, response, content);
    });
    await downloadFile(target(url), options);
    expect(had().equals(content)).toBe(true);
    expect(waits).toHaveLength(3);
    expect(waits[0]).toBe(7000);
    expect(waits[1]).toBeGreaterThan(100e3);
    expect(waits[1]).toBeLessThanOrEqual(120e3);
    expect(waits[2]).toBeLessThanOrEqual(4000);
  });

  test('is retried with growing waits, up to the number of attempts', async () => {
    const { url, requests } = await server((_, response) => response.writeHead(500).end());
    const failing = downloadFile(target(url), { ...options, attempts: 5 });
    await expect(failing).rejects.toThrow(EnvironmentError);
    await expect(failing).rejects.toThrow(
      `Cannot download ${url}/file.bin: the server answered 500 (5 attempts); check the network`,
    );
    expect(requests).toHaveLength(5);
    waits.forEach((wait, i) => {
      expect(wait).toBeGreaterThanOrEqual(500 * 2 ** i);
      expect(wait).toBeLessThanOrEqual(1000 * 2 ** i);
    });
    expect(names()).toEqual([]);
  });

  test('that stalls is disconnected and resumed', async () => {
    const { url, requests } = await server((request, response, number) => {
      if (number > 0) return serve(request, response, content);
      response.writeHead(200, { etag: '"one"', 'content-length': content.length });
      response.write(half);
    });
    await downloadFile(target(url), { ...options, stall: 200 });
    expect(requests).toHaveLength(2);
    expect(had().equals(content)).toBe(true);
  });

  test('that never answers is an error after the timeout', async () => {
    const { url } = await server(() => {});
    await expect(downloadFile(target(url), { ...options, stall: 50, attempts: 2 })).rejects.toThrow(
      /no data for 0.05 s/,
    );
  });

  test('that cannot be reached is a network error', async () => {
    const gone = await startServer(() => {});
    await gone.close();
    await expect(downloadFile(target(gone.url), { ...options, attempts: 2 })).rejects.toThrow(
      /Cannot download .*ECONNREFUSED.*check the network/,
    );
  });
});

describe('a wrong length', () => {
  test('announced too large never makes a file', async () => {
    const { url } = await server((_, response) => sendHalf(response));
    await expect(downloadFile(target(url), { ...options, attempts: 3 })).rejects.toThrow(EnvironmentError);
    expect(names()).not.toContain('file.bin');
  });

  test('announced too small never makes a file of known size', async () => {
    const { url } = await server((_, response) => {
      response.writeHead(200, { 'content-length': half.length });
      response.end(half);
    });
    const failing = downloadFile(target(url, { size: content.length }), { ...options, attempts: 3 });
    await expect(failing).rejects.toThrow('the server announced 50000 bytes, expected 100000');
    expect(names()).toEqual([]);
  });

  test('sent beyond the announced size never makes a file', async () => {
    const { url } = await server((_, response) => {
      response.writeHead(200, {});
      response.end(content);
    });
    const failing = downloadFile(target(url, { size: half.length }), { ...options, attempts: 2 });
    await expect(failing).rejects.toThrow('the server sent more than 50000 bytes');
    expect(names()).toEqual([]);
  });

  test('that ends early without a length never makes a file of known size', async () => {
    const { url } = await server((_, response) => {
      response.writeHead(200, {});
      response.end(half);
    });
    const failing = downloadFile(target(url, { size: content.length }), { ...options, attempts: 2 });
    await expect(failing).rejects.toThrow('the server sent 50000 bytes of 100000');
    expect(names()).not.toContain('file.bin');
  });

  test('is detected by the size in a redirect', async () => {
    const { url } = await server((request, response) => {
      if (request.url === '/file.bin')
        response.writeHead(302, { location: '/store', 'x-linked-size': String(content.length) }).end();
      else response.writeHead(200, { 'content-length': half.length }).end(half);
    });
    await expect(downloadFile(target(url), { ...options, attempts: 2 })).rejects.toThrow(
      'the server announced 50000 bytes, expected 100000',
    );
    expect(names()).toEqual([]);
  });
});

describe('content', () => {
  const sha256 = createHash('sha256').update(content).digest('hex');

  test('that does not match its checksum is downloaded again', async () => {
    const damaged = content.slice();
    damaged[77]! ^= 1;
    const { url } = await server((request, response, number) =>
      serve(request, response, number === 0 ? damaged : content),
    );
    await downloadFile(target(url, { sha256 }), options);
    expect(had().equals(content)).toBe(true);
    expect(waits).toHaveLength(1);
  });

  test('that never matches is an error and leaves no file', async () => {
    const { url } = await server((request, response) => serve(request, response, bytesOf(100_000, 9)));
    const failing = downloadFile(target(url, { sha256 }), { ...options, attempts: 2 });
    await expect(failing).rejects.toThrow(`expected ${sha256}`);
    expect(names()).toEqual([]);
  });
});

describe('a refusal', () => {
  test.each([
    [401, undefined, /401.*check the name of the dataset, or set HF_TOKEN/],
    [401, 'secret', /401.*HF_TOKEN, which was refused/],
    [403, undefined, /403.*set HF_TOKEN/],
    [403, 'secret', /403.*accept the dataset's terms/],
    [404, undefined, /404.*check the name of the dataset/],
  ])('%i (token %p) is reported at once, with its remedy', async (status, token, message) => {
    const { url, requests } = await server((_, response) => response.writeHead(status).end());
    const failing = downloadFile(target(url), { ...options, token });
    await expect(failing).rejects.toThrow(EnvironmentError);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.not.toThrow(/secret/);
    expect(requests).toHaveLength(1);
    expect(waits).toEqual([]);
  });

  test("includes the hub's error message", async () => {
    const { url } = await server((_, response) =>
      response.writeHead(401, { 'x-error-message': 'Repository not found' }).end(),
    );
    await expect(downloadFile(target(url), options)).rejects.toThrow('401 (Repository not found)');
  });
});

describe('a redirect', () => {
  test('never sends the token to another host', async () => {
    const store = await server((request, response) => serve(request, response, content));
    const hub = await server((request, response) => {
      const location = request.url === '/file.bin' ? '/moved' : `${store.url}/signed`;
      response.writeHead(307, { location }).end();
    });
    await downloadFile(target(hub.url), { ...options, token: 'secret' });
    expect(had().equals(content)).toBe(true);
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer secret',
      'Bearer secret',
    ]);
    expect(store.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('loop is an error', async () => {
    const { url } = await server((_, response) => response.writeHead(302, { location: '/file.bin' }).end());
    await expect(downloadFile(target(url), { ...options, attempts: 1 })).rejects.toThrow(
      /more than 10 redirects/,
    );
  });
});

test('a user name and password in a URL are sent only to its host and never shown', async () => {
  const store = await server((request, response) => serve(request, response, content));
  const index = await server((request, response) => {
    if (request.url === '/missing') response.writeHead(404).end();
    else response.writeHead(302, { location: `${store.url}/file.bin` }).end();
  });
  const url = index.url.replace('//', '//us%65r:pass%25@');
  await downloadFile({ url: `${url}/file.bin`, path: scratch.path('below/file.bin') }, options);
  expect(index.requests[0]!.headers.authorization).toBe(
    `Basic ${Buffer.from('user:pass%').toString('base64')}`,
  );
  expect(store.requests[0]!.headers.authorization).toBeUndefined();
  const failing = downloadFile({ url: `${url}/missing`, path: scratch.path('other') }, options);
  await expect(failing).rejects.toThrow(`Expected ${index.url}/missing to be downloadable`);
});

test('content that the caller refuses is deleted, and the next call downloads again', async () => {
  let body = 'Sign in to the Wi-Fi';
  const { url } = await server((_, response) => response.end(body));
  const check = async (part: string) => {
    if (readFileSync(part, 'utf8') !== 'right')
      throw new EnvironmentError(`${part} is not right; copy it again`);
  };
  const failing = downloadFile(target(url, { check }), options);
  await expect(failing).rejects.toThrow(EnvironmentError);
  await expect(failing).rejects.toThrow('sent something else: file.bin is not right; try again later');
  expect(names()).toEqual([]);
  body = 'right';
  await downloadFile(target(url, { check }), options);
  expect(names()).toEqual(['file.bin']);
});

test.each(['null', '5', '{"validator":{}}', '{'])(
  'a damaged mark %p beside a part starts over',
  async (mark) => {
    const { url } = await server((request, response) => serve(request, response, content));
    mkdirSync(scratch.path('below'));
    writeFileSync(scratch.path('below/file.bin.part'), 'old');
    writeFileSync(scratch.path('below/file.bin.part.json'), mark);
    await downloadFile(target(url), options);
    expect(had().equals(content)).toBe(true);
  },
);

test('an abort stops a download at once and keeps its part for another', async () => {
  const stop = new AbortController();
  const { url } = await server((request, response, number) => {
    if (number > 0) return serve(request, response, content);
    response.writeHead(200, { etag: '"one"', 'content-length': content.length });
    response.write(half);
  });
  const onBytes = () => stop.abort(new Error('enough'));
  await expect(downloadFile(target(url), { ...options, signal: stop.signal, onBytes })).rejects.toThrow(
    'enough',
  );
  expect(names()).toEqual(['file.bin.part', 'file.bin.part.json']);
  await downloadFile(target(url), options);
  expect(had().equals(content)).toBe(true);
});

describe('several files', () => {
  const files = (url: string): Download[] =>
    Array.from({ length: 6 }, (_, i) => ({
      url: `${url}/${i}`,
      path: scratch.path(`below/${i}`),
      size: 1000 + i,
    }));

  test('are downloaded a few at a time, with common progress', async () => {
    const held: (() => void)[] = [];
    let most = 0;
    const { url } = await server((request, response) => {
      held.push(() => serve(request, response, bytesOf(1000 + Number(request.url!.slice(1)))));
      most = Math.max(most, held.length);
      if (held.length < 2) return;
      setTimeout(() => {
        for (const answer of held.splice(0)) answer();
      }, 20);
    });
    const seen: { done: number; total?: number }[] = [];
    await downloadAll(files(url), { ...options, workers: 2, onProgress: (progress) => seen.push(progress) });
    expect(most).toBe(2);
    expect(names()).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(seen.at(-1)).toEqual({ stage: 'downloading 6 files', done: 6015, total: 6015, unit: 'bytes' });
    seen.forEach(({ done }, i) => {
      expect(done).toBeGreaterThanOrEqual(seen[i - 1]?.done ?? 0);
    });
  });

  test('report retries, and progress after them', async () => {
    const { url } = await server((request, response, number) => {
      if (number === 0) response.writeHead(503).end();
      else serve(request, response, bytesOf(1000));
    });
    const stages: string[] = [];
    await downloadAll(files(url).slice(0, 1), {
      ...options,
      onProgress: ({ stage }) => stages.push(stage),
    });
    expect(stages[0]).toBe('downloading 0 (the server answered 503; retrying)');
    expect(stages.at(-1)).toBe('downloading 0');
  });

  test('stop with the error of the first that fails', async () => {
    const { url, requests } = await server((request, response) => {
      if (request.url === '/1') response.writeHead(404).end();
    });
    await expect(downloadAll(files(url), { ...options, workers: 2 })).rejects.toThrow(/404/);
    expect(requests.length).toBeLessThanOrEqual(2);
    expect(names()).toEqual([]);
  });
});
