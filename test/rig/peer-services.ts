import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createWebServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import * as z from 'zod';
import { DnsServer } from './dns-server.ts';
import {
  peerServicesOptionsSchema,
  requestSchema,
  type Reply,
  type Request,
} from './peer-services-protocol.ts';

/*
 * Runs inside the peer's namespace: the page, the name servers and the echo behind the tunnel. Started by
 * `PeerServices`, with its options as JSON in the only argument; it ends when the channel to its parent closes.
 */
const options = peerServicesOptionsSchema.parse(JSON.parse(z.string().parse(process.argv[2])));

const dnsServers = new Map<string, DnsServer>();
for (const [name, { addresses, records }] of Object.entries(options.dns)) {
  const server = new DnsServer(records);
  for (const address of addresses) await server.listen(address);
  dnsServers.set(name, server);
}

const web = createWebServer((request, response) => {
  const from = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(request.url === '/from' ? from : `${options.page}\n`);
});
web.listen(80, '::');
await once(web, 'listening');

const echo = createServer((connection: Socket) => {
  connection.on('error', () => connection.destroy());
  connection.pipe(connection);
});
echo.listen(7, '::');
await once(echo, 'listening');

for (const family of ['udp4', 'udp6'] as const) {
  const socket = createSocket({ type: family, ipv6Only: family === 'udp6' });
  socket.on('message', (data, from) => {
    socket.send(data, from.port, from.address);
  });
  socket.bind(7);
  await once(socket, 'listening');
}

function handle(request: Request): Reply {
  const server = dnsServers.get(request.server);
  if (server === undefined) throw new Error(`There is no name server "${request.server}".`);
  if (request.kind === 'setRecords') server.records = request.records;
  const queries = [...server.queries];
  if (request.kind === 'takeQueries') server.queries.length = 0;
  return { kind: 'reply', id: request.id, queries };
}

process.on('message', (message) => process.send?.(handle(requestSchema.parse(message))));
process.on('disconnect', () => process.exit(0));
process.send?.({ kind: 'ready' });
