import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const block = Buffer.alloc(256 * 1024);

/**
 * TCP throughput to or from `stream-server.ts`.
 *
 * @param direction `out` is from this machine to the server
 * @param milliseconds how long to measure
 * @returns megabits per second and bytes
 */
export async function streamThroughput(
  address: string,
  port: number,
  direction: 'out' | 'in',
  milliseconds: number,
): Promise<{ readonly mbps: number; readonly bytes: number }> {
  const socket = connect(port, address);
  await once(socket, 'connect');
  const begin = performance.now();
  let received = 0;
  if (direction === 'in') {
    socket.on('data', (chunk) => (received += chunk.byteLength));
    socket.write('d');
  } else {
    const fill = (): void => {
      while (socket.write(block));
    };
    socket.on('drain', fill);
    socket.write('u');
    fill();
  }
  await sleep(milliseconds);
  const seconds = (performance.now() - begin) / 1000;
  // What still waits in this process was not sent.
  const bytes = direction === 'in' ? received : socket.bytesWritten - socket.writableLength;
  socket.destroy();
  return { mbps: (bytes * 8) / 1e6 / seconds, bytes };
}

/** Median time of a TCP connection's set-up, which is one round trip, in milliseconds. */
export async function connectTime(address: string, port: number, count: number): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const begin = performance.now();
    const socket = connect(port, address);
    await once(socket, 'connect');
    times.push(performance.now() - begin);
    socket.destroy();
  }
  times.sort((left, right) => left - right);
  return times[Math.floor(times.length / 2)] ?? Number.NaN;
}
