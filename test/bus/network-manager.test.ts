import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from '@sallyport/helper/native/load.ts';
import { PrivateBus } from './private-bus.ts';

const { networkManagerAvailable, networkManagerReload } = native();

const refusal = (code: string): unknown => expect.objectContaining({ code });

test('NetworkManager is told to read its configuration again, and nothing else', async () => {
  await using bus = await PrivateBus.start();
  expect(networkManagerAvailable()).toBe(false);
  const mock = await bus.mock('networkmanager', networkManagerAvailable);
  networkManagerReload();
  const calls = (await mock.lines()).filter((line) => !line.startsWith('emit '));
  expect(calls).toEqual(['Reload 1']);
});

test('NetworkManager that does not run is not started', async () => {
  await using bus = await PrivateBus.start();
  const started = await bus.startable('org.freedesktop.NetworkManager');
  expect(networkManagerAvailable()).toBe(false);
  expect(networkManagerReload).toThrow(refusal('SERVICE_UNAVAILABLE'));
  expect(existsSync(started)).toBe(false);
});

test('without a bus there is no NetworkManager', async () => {
  await using bus = await PrivateBus.start();
  process.env['DBUS_SYSTEM_BUS_ADDRESS'] = `unix:path=${bus.directory}/absent`;
  expect(networkManagerAvailable()).toBe(false);
  expect(networkManagerReload).toThrow(refusal('BUS_UNAVAILABLE'));
});
