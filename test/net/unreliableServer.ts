// A local HTTP server whose faults a test chooses, and files on a scratch folder.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Handler = (request: IncomingMessage, response: ServerResponse, number: number) => void;

export type TestServer = { url: string; requests: IncomingMessage[]; close: () => Promise<void> };

/** Starts a server; the handler is given the number of earlier requests. */
export async function startServer(handle: Handler): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handle(request, response, requests.length - 1);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** Serves `content` as a good server does: ranges, If-Range, Content-Length, a strong ETag. */
export function serve(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
  etag = '"one"',
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const same = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  if (start > 0 && same && start >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const from = same ? start : 0;
  const headers = { etag, 'content-length': content.length - from };
  if (from > 0)
    response.writeHead(206, {
      ...headers,
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    });
  else response.writeHead(200, headers);
  response.end(content.subarray(from));
}

/**
 * A server's half of a dropped connection: `send` announces more bytes than it sends, and the connection breaks when
 * `onBytes` has reported that they arrived.
 */
export function dropper(): {
  send: (response: ServerResponse, sent: Uint8Array, headers: Record<string, string>, start?: number) => void;
  onBytes: (bytes: number) => void;
} {
  let sending: { response: ServerResponse; until: number } | null = null;
  return {
    send(response, sent, headers, start = 0) {
      response.writeHead(start > 0 ? 206 : 200, headers);
      response.write(sent);
      sending = { response, until: start + sent.length };
    },
    onBytes(bytes) {
      if (sending && bytes >= sending.until) sending.response.destroy();
    },
  };
}

/** A scratch folder and its removal. */
export function scratchFolder(): { folder: string; path: (name: string) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-test-'));
  return {
    folder,
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Repeatable bytes. */
export function bytesOf(length: number, start = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + start) % 251);
}
