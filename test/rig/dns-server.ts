import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIP, type Server } from 'node:net';
import packet from 'dns-packet';

/** Names and their addresses, IPv4 and IPv6 mixed. Names are in lower case, without the last dot. */
export type DnsRecords = Readonly<Record<string, readonly string[]>>;

export interface DnsQuery {
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
  /** Address of the asker. */
  readonly from: string;
}

const keptQueries = 10_000;
const nxDomain = 3;

/** A name server that knows a few names, says NXDOMAIN to all others, and remembers who asked for what. */
export class DnsServer {
  records: DnsRecords;
  readonly queries: DnsQuery[] = [];
  readonly #sockets: Socket[] = [];
  readonly #servers: Server[] = [];

  constructor(records: DnsRecords) {
    this.records = records;
  }

  /** Answers on UDP and TCP at this address. */
  async listen(address: string, port = 53): Promise<void> {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    socket.on('message', (data, from) => {
      const answer = this.#answer(data, 'udp', from.address);
      if (answer !== null) socket.send(answer, from.port, from.address);
    });
    socket.bind(port, address);
    await once(socket, 'listening');
    this.#sockets.push(socket);

    const server = createServer((connection) => {
      let pending = Buffer.alloc(0);
      connection.on('error', () => connection.destroy());
      connection.on('data', (data) => {
        pending = Buffer.concat([pending, data]);
        while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
          const end = 2 + pending.readUInt16BE(0);
          const answer = this.#answer(pending.subarray(2, end), 'tcp', connection.remoteAddress ?? '');
          pending = pending.subarray(end);
          if (answer === null) continue;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.length);
          connection.write(Buffer.concat([length, answer]));
        }
      });
    });
    server.listen(port, address);
    await once(server, 'listening');
    this.#servers.push(server);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    for (const server of this.#servers) server.close();
  }

  #answer(data: Buffer, transport: DnsQuery['transport'], from: string): Buffer | null {
    const query = decode(data);
    const question = query?.questions?.[0];
    if (query === null || question === undefined) return null;
    const name = question.name.toLowerCase();
    this.queries.push({ name, type: question.type, transport, from });
    if (this.queries.length > keptQueries) this.queries.shift();

    const addresses = Object.hasOwn(this.records, name) ? this.records[name] : undefined;
    const family = question.type === 'A' ? 4 : question.type === 'AAAA' ? 6 : 0;
    const answers = (addresses ?? [])
      .filter((address) => isIP(address) === family)
      .map((data) => ({
        type: family === 4 ? ('A' as const) : ('AAAA' as const),
        name: question.name,
        ttl: 1,
        data,
      }));
    return packet.encode({
      type: 'response',
      id: query.id,
      flags:
        packet.AUTHORITATIVE_ANSWER |
        packet.RECURSION_AVAILABLE |
        ((query.flags ?? 0) & packet.RECURSION_DESIRED) |
        (addresses === undefined ? nxDomain : 0),
      questions: [question],
      answers,
    });
  }
}

function decode(data: Buffer): packet.DecodedPacket | null {
  try {
    return packet.decode(data);
  } catch {
    return null;
  }
}
