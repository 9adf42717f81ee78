import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FormatError } from '../formats/format-error.ts';
import { TunnelNameError } from '../formats/tunnel-name.ts';
import { importWireGuardConf, readWireGuardFile, tunnelNameOf } from './import-wireguard-conf.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';
import { connectClient, type ConnectedClient } from './testing/connected-client.ts';
import type { FakeHelper } from './testing/fake-helper.ts';
import { samplePrivateKey, sampleConf } from './testing/sample-conf.ts';

const bytes = new TextEncoder().encode(sampleConf);
const fileName = 'home.conf';

it.each([
  ['home.conf', 'home'],
  ['/etc/wireguard/wg0.CONF', 'wg0'],
  ['a.b.conf', 'a.b'],
  ['.conf', ''],
])('names %s “%s”', (file, name) => {
  expect(tunnelNameOf(file)).toBe(name);
});

describe('reading', () => {
  it('parts the file from its keys', () => {
    const imported = readWireGuardFile({ bytes, fileName });
    expect(imported.name).toBe('home');
    expect(imported.protocolConfiguration.providerBundleIdentifier).toBe('org.sallyport.helper.wireguard');
    expect(imported.protocolConfiguration.serverAddress).toBe('vpn.example.com:51820');
    expect(JSON.stringify(imported.protocolConfiguration)).not.toContain(samplePrivateKey);
    expect([...imported.secrets.keys()]).toEqual(imported.secretReferences);
    expect([...imported.secrets.values()].map((secret) => Buffer.from(secret).toString('base64'))).toEqual([
      samplePrivateKey,
    ]);
  });

  it('refuses scripts, unless they are to be left out', () => {
    const scripted = new TextEncoder().encode(sampleConf.replace('[Peer]', 'PostUp = touch /tmp/x\n[Peer]'));
    expect(() => readWireGuardFile({ bytes: scripted, fileName })).toThrow(FormatError);
    expect(readWireGuardFile({ bytes: scripted, fileName, dropScripts: true }).droppedLines).toHaveLength(1);
  });

  it.each(['../x', 'a\nb', '', 'x'.repeat(300), '\u202egnp'])('refuses the name %j', (name) => {
    expect(() => readWireGuardFile({ bytes, fileName, name })).toThrow(TunnelNameError);
  });
});

describe('storing', () => {
  let connected: ConnectedClient;
  let helper: FakeHelper;
  let client: ReconnectingClient;

  beforeEach(async () => {
    connected = await connectClient();
    ({ helper, client } = connected);
  });
  afterEach(() => connected[Symbol.asyncDispose]());

  it('gives a manager that can start at once, its keys in the secret store only', async () => {
    const manager = await importWireGuardConf(client, { bytes, fileName });
    expect(manager.revision).toBe(1);
    expect([...helper.secrets.values()]).toEqual([samplePrivateKey]);
    expect(JSON.stringify([...helper.configurations.values()])).not.toContain(samplePrivateKey);
    await manager.session.start();
  });

  it.each(['home', 'HOME', 'ｈｏｍｅ'])('refuses %s, a twin of a name that is taken', async (name) => {
    await importWireGuardConf(client, { bytes, fileName });
    await expect(importWireGuardConf(client, { bytes, fileName, name })).rejects.toMatchObject({
      domain: 'EndpointError',
      code: 'nameTaken',
    });
    expect(helper.configurations.size).toBe(1);
  });

  it('sends nothing of a file that is refused', async () => {
    helper.endpoint.requests.length = 0;
    await expect(importWireGuardConf(client, { bytes: new Uint8Array(10), fileName })).rejects.toThrow(
      FormatError,
    );
    expect(helper.endpoint.requests).toEqual([]);
  });
});
