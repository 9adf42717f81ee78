import { describe, expect, it } from 'vitest';
import { wireGuardProviderIdentifier } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { methods } from '@sallyport/shared/protocol/methods.ts';
import { importResultSchema } from '../bridge/channels.ts';
import { exampleConfiguration } from '../testing/examples.ts';
import { MemoryTunnelClient } from '../testing/memory-tunnel-client.ts';
import { createImporter } from './import-file.ts';
import { Mirror } from './mirror.ts';
import { describeConfiguration } from './tunnel-details.ts';

const privateKey = Buffer.alloc(32, 0x48).toString('base64');
const publicKey = Buffer.alloc(32, 0x51).toString('base64');
const conf = (extra = '') => `[Interface]
PrivateKey = ${privateKey}
Address = 10.0.0.2/24
DNS = 10.0.0.1
${extra}
[Peer]
PublicKey = ${publicKey}
AllowedIPs = 0.0.0.0/0
Endpoint = vpn.example.net:51820
`;

function setUp() {
  const client = new MemoryTunnelClient();
  const mirror = new Mirror(client, describeConfiguration, true);
  client.setReachable(true);
  const importFile = createImporter(client, mirror);
  const run = async (name: string, text: string, withoutScripts = false) =>
    importResultSchema.parse(
      await importFile({ name, bytes: new TextEncoder().encode(text), withoutScripts }),
    );
  return { client, mirror, run };
}

describe('an imported file', () => {
  it('becomes a tunnel named after it', async () => {
    const { mirror, run } = setUp();
    expect(await run('home.conf', conf())).toMatchObject({ status: 'imported', name: 'home', notes: [] });
    expect(mirror.state.tunnels).toMatchObject([
      {
        name: 'home',
        serverAddress: 'vpn.example.net:51820',
        details: { addresses: ['10.0.0.2/24'], dnsServers: ['10.0.0.1'], routes: ['0.0.0.0/0'] },
      },
    ]);
  });

  it('sends its key as a secret and keeps it out of everything else', async () => {
    const { client, mirror, run } = setUp();
    await run('home.conf', conf());
    const [request] = client.requests;
    const { configuration, secrets } = methods['configurations.save'].params.parse(request?.params);
    expect(Object.values(secrets)).toEqual([privateKey]);
    expect(configuration.protocolConfiguration.providerBundleIdentifier).toBe(wireGuardProviderIdentifier);
    expect(JSON.stringify(configuration)).not.toContain(privateKey);
    expect(JSON.stringify(mirror.state)).not.toContain(privateKey);
  });

  it('gets a number when its name is taken', async () => {
    const { client, run } = setUp();
    client.put(exampleConfiguration({ name: 'Home' }));
    expect(await run('home.conf', conf())).toMatchObject({
      name: 'home 2',
      notes: ['There was already a tunnel named home.'],
    });
  });
});

describe('a refused file', () => {
  it('is refused with the line and the reason, and nothing is stored', async () => {
    const { client, run } = setUp();
    const result = await run('home.conf', conf('MTU = many'));
    expect(result).toMatchObject({
      status: 'refused',
      refusal: { file: 'home.conf', problems: [{ line: 5 }], canDropScripts: false },
    });
    expect(client.requests).toEqual([]);
  });

  it('with scripts alone can be imported without them', async () => {
    const { run } = setUp();
    const text = conf('PostUp = iptables -F');
    expect(await run('home.conf', text)).toMatchObject({ refusal: { canDropScripts: true } });
    expect(await run('home.conf', text, true)).toMatchObject({
      status: 'imported',
      notes: ['Left out: PostUp (line 5).'],
    });
  });

  it('with more wrong than scripts cannot', async () => {
    const { run } = setUp();
    expect(await run('home.conf', conf('PostUp = x\nMTU = many'))).toMatchObject({
      refusal: { canDropScripts: false },
    });
  });

  it('whose name no tunnel can have says so', async () => {
    const { run } = setUp();
    expect(await run('-x.conf', conf())).toMatchObject({
      status: 'refused',
      refusal: { problems: [{ line: null }] },
    });
  });

  it.each(['', '\0\0\0', 'hello', '<html>', '[Interface]'])(
    'is refused whatever it holds: %j',
    async (text) => {
      const { client, run } = setUp();
      expect(await run('home.conf', text)).toMatchObject({ status: 'refused' });
      expect(client.requests).toEqual([]);
    },
  );
});
