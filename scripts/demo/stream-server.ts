import { createServer } from 'node:net';

/**
 * Sends or swallows bytes as fast as TCP lets it: the other end of the demo's throughput test.
 *
 * A client that sends `d` first is sent zeros until it closes; any other is read from. Arguments: address, port.
 */
const [address = '127.0.0.1', port = '5001'] = process.argv.slice(2);
const block = Buffer.alloc(256 * 1024);

createServer((socket) => {
  socket.on('error', () => undefined);
  socket.once('data', (first) => {
    if (first[0] !== 'd'.charCodeAt(0)) {
      socket.resume();
      return;
    }
    const fill = (): void => {
      while (socket.write(block));
    };
    socket.on('drain', fill);
    fill();
  });
}).listen(Number(port), address, () => {
  process.stdout.write('ready\n');
});
