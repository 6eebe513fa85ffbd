// A TCP proxy that can be cut: node cable.js PORT prints its own port; the messages `cut` and `mend` are answered when done.

import { connect, createServer, type Socket } from 'node:net';

const to = Number(process.argv[2]);
const sockets = new Set<Socket>();
let isCut = false;

createServer((client) => {
  if (isCut) {
    client.destroy();
    return;
  }
  const server = connect(to, '127.0.0.1');
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  }
}).listen(0, '127.0.0.1', function listening(this: { address(): unknown }) {
  console.log((this.address() as { port: number }).port);
});

process.on('message', (order) => {
  isCut = order === 'cut';
  if (isCut) for (const socket of sockets) socket.destroy();
  process.send!('done');
});
process.on('disconnect', () => process.exit());
