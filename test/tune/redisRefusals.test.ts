// What a Redis refuses for now, in the words of each version, as a server of the test's says it.

import { createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { redisEndpoint } from '../../src/tune/storage/network/redisEndpoint.js';

const script =
  'ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f0fb1291d6438a1cc): @user_script:9: @user_script: 9: ';

test.each([
  [
    "OOM command not allowed when used memory > 'maxmemory'. script: 6b1b, on @user_script:9.",
    'ConnectionLost',
  ],
  [`${script}-OOM command not allowed when used memory > 'maxmemory'.`, 'ConnectionLost'],
  [`${script}-READONLY You can't write against a read only replica.`, 'ConnectionLost'],
  [`${script}Wrong number of args calling Redis command From Lua script`, 'Error'],
])('"%s" is %s', async (answer, name) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => {
      // One answer for each command, which begins with its number of words.
      for (const [, word] of bytes.toString().matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm))
        socket.write(word === 'EVAL' ? `-${answer}\r\n` : '+OK\r\n');
    });
  });
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  const endpoint = redisEndpoint(`redis://127.0.0.1:${port}`);
  await endpoint.connect();
  await expect(endpoint.call('exchange', [0, '', ['{}']])).rejects.toMatchObject({ name });
  endpoint.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});
