import { Resolver } from 'node:dns/promises';
import { get, type IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { run } from './run.ts';

/**
 * Text behind an HTTP URL, over a connection of its own: one kept alive would belong to a tunnel that is gone.
 *
 * @throws {Error} no answer with status 200 within `timeout` milliseconds
 */
export async function fetchText(url: string, timeout = 5000): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(url, { agent: false, signal: AbortSignal.timeout(timeout) }, resolve).on('error', reject);
  const response = await promise;
  if (response.statusCode !== 200) {
    response.destroy();
    throw new Error(`${url} answered ${String(response.statusCode)}.`);
  }
  return text(response);
}

/** The URL of a host's page, whether the host is a name or an address of either family. */
export function pageUrl(host: string, path = '/'): string {
  return `http://${isIP(host) === 6 ? `[${host}]` : host}${path}`;
}

/** Asks one name server, past resolv.conf. @throws {Error} with the code of `node:dns`, such as ENOTFOUND */
export async function resolveAt(
  server: string,
  name: string,
  family: 4 | 6 = 4,
  timeout = 2000,
): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout, tries: 2 });
  resolver.setServers([isIP(server) === 6 ? `[${server}]` : server]);
  return family === 4 ? resolver.resolve4(name) : resolver.resolve6(name);
}

/** Round trips in milliseconds. */
export interface RoundTrips {
  readonly sent: number;
  readonly received: number;
  /** NaN if nothing came back. */
  readonly median: number;
  readonly all: readonly number[];
}

/** Pings an address, five times a second at most. */
export async function ping(address: string, count = 5, interval = 0.2): Promise<RoundTrips> {
  const words = ['-n', '-c', String(count), '-i', String(interval), '-W', '1', address];
  // ping ends with 1 when something was lost, which is a result and not a failure.
  const output = await run('sh', ['-c', 'ping "$@"; test $? -le 1', 'sh', ...words]);
  const all = [...output.matchAll(/time=([\d.]+) ms/g)]
    .map((match) => Number(match[1]))
    .sort((a, b) => a - b);
  const middle = all.length / 2;
  const median = ((all[Math.ceil(middle) - 1] ?? Number.NaN) + (all[Math.floor(middle)] ?? Number.NaN)) / 2;
  return { sent: count, received: all.length, median, all };
}

export interface ThroughputOptions {
  /** Seconds; 3 unless told. */
  readonly seconds?: number;
  /** From the server to this machine; the other way unless told. */
  readonly inbound?: boolean;
  /** TCP connections at once; 1 unless told. */
  readonly streams?: number;
}

export interface Throughput {
  /** What the receiver got. */
  readonly megabitsPerSecond: number;
  readonly bytes: number;
}

const iperfSchema = z.object({
  end: z.object({ sum_received: z.object({ bits_per_second: z.number(), bytes: z.number() }) }),
});

/** TCP throughput to or from iperf3's server at an address. */
export async function throughput(address: string, options: ThroughputOptions = {}): Promise<Throughput> {
  const seconds = options.seconds ?? 3;
  const words = ['--client', address, '--json', '--time', String(seconds)];
  if (options.inbound === true) words.push('--reverse');
  if (options.streams !== undefined) words.push('--parallel', String(options.streams));
  const output = await run('iperf3', words, { timeout: seconds * 1000 + 20_000 });
  const { sum_received: received } = iperfSchema.parse(JSON.parse(output)).end;
  return { megabitsPerSecond: received.bits_per_second / 1e6, bytes: received.bytes };
}
