import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pair, type Cost } from './endpoint/pair.ts';
import { transports, transportSchema, type Transport } from './endpoint/protocol.ts';
import { median, round, type BenchResult } from './result.ts';

const rounds = 7;
const alone = { inFlight: 1, milliseconds: 700 } as const;
const together = { inFlight: 64, milliseconds: 1200 } as const;
const warmUp = { inFlight: 64, milliseconds: 1000 } as const;

interface Figures {
  readonly alone: Cost[];
  readonly together: Cost[];
  memory: number;
}

/**
 * An empty call over our endpoint, over others' transports, and over ours without verification.
 *
 * All are up at the same time and take turns in every round, so that a drift of the machine meets all.
 */
export async function benchEndpoint(): Promise<BenchResult> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  try {
    const figures = await measureAll(directory);
    return result(figures);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureAll(directory: string): Promise<ReadonlyMap<Transport, Figures>> {
  await using stack = new AsyncDisposableStack();
  const pairs = new Map<Transport, Pair>();
  const figures = new Map<Transport, Figures>();
  for (const transport of transportSchema.options) {
    const pair = stack.use(await Pair.start(transport, directory));
    await pair.measure(warmUp);
    pairs.set(transport, pair);
    figures.set(transport, { alone: [], together: [], memory: 0 });
  }
  for (let index = 0; index < rounds; index += 1) {
    // Each round begins with another one.
    const order = [...pairs.keys()];
    const turn = [...order.slice(index % order.length), ...order.slice(0, index % order.length)];
    for (const transport of turn) {
      const pair = pairs.get(transport);
      const mine = figures.get(transport);
      if (pair === undefined || mine === undefined) continue;
      mine.alone.push(await pair.measure(alone));
      mine.together.push(await pair.measure(together));
      mine.memory = await pair.serverMemory();
    }
  }
  return figures;
}

function result(figures: ReadonlyMap<Transport, Figures>): BenchResult {
  const of = (transport: Transport): Figures => {
    const found = figures.get(transport);
    if (found === undefined) throw new Error(`${transport} was not measured.`);
    return found;
  };
  const rate = ({ calls, seconds }: Cost): number => calls / seconds;
  /** Median over the rounds of one figure's ratio within a round. */
  const ratio = (
    pick: (cost: Cost) => number,
    phase: 'alone' | 'together',
    one: Transport,
    other: Transport,
  ): number =>
    median(
      of(one)[phase].map((cost, index) => {
        const beside = of(other)[phase][index];
        return beside === undefined ? Number.NaN : pick(cost) / pick(beside);
      }),
    );
  const faster = ratio(rate, 'together', 'verified', 'stock');
  const tail = ratio((cost) => cost.p99, 'alone', 'verified', 'stock');
  const dearer = ratio((cost) => cost.serverCpu, 'together', 'verified', 'unverified');
  return {
    name: 'endpoint',
    title: 'Calls over the endpoint',
    method:
      `An empty call over a Unix socket, client and server each a process; ${String(rounds)} interleaved rounds of ` +
      `${String(alone.milliseconds)} ms with one call under way (round trip) and ${String(together.milliseconds)} ms with ` +
      `${String(together.inFlight)} (rate, server’s CPU); medians, ratios round by round.`,
    columns: ['transport', 'median µs', 'p99 µs', 'calls/s', 'server CPU µs/call', 'server RSS MB'],
    rows: transportSchema.options.map((transport) => {
      const { alone: single, together: many, memory } = of(transport);
      return [
        transports[transport],
        round(median(single.map((cost) => cost.median)), 0),
        round(median(single.map((cost) => cost.p99)), 0),
        round(median(many.map(rate)), 0),
        round(median(many.map((cost) => cost.serverCpu))),
        round(memory, 0),
      ];
    }),
    aims: [
      {
        aim: 'verified calls at 2.5 × the rate of vscode-jsonrpc’s own transport or more',
        figure: round(faster, 2),
        unit: '×',
        met: faster >= 2.5,
      },
      {
        aim: 'p99 of a round trip not above that transport’s',
        figure: round(tail, 2),
        unit: '×',
        met: tail <= 1,
      },
      {
        aim: 'at most 2 × the CPU a call of the unverified socket',
        figure: round(dearer, 2),
        unit: '×',
        met: dearer <= 2,
      },
    ],
  };
}
