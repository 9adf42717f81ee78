import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refusedSwitch } from './command-line.ts';

describe('the shipped app', () => {
  it.each([
    '--remote-debugging-port=9222',
    '--remote-debugging-pipe',
    '--remote-allow-origins=*',
    '--inspect',
    '--inspect=0',
    '--inspect-brk',
    '--inspect-brk-node',
    '--inspect-port=9229',
    '--js-flags=--expose-gc',
    '--require=/tmp/x.js',
    '-r',
    '--renderer-cmd-prefix=/tmp/x',
    '--utility-cmd-prefix=/tmp/x',
    '--gpu-launcher=/tmp/x',
    '--zygote-cmd-prefix=/tmp/x',
    '--no-sandbox',
    '--disable-setuid-sandbox',
    '--disable-web-security',
    '--load-extension=/tmp/x',
    '--proxy-server=127.0.0.1:1',
    '--host-rules=MAP * 127.0.0.1',
    '--host-resolver-rules=MAP * 127.0.0.1',
    '--user-data-dir=/tmp/x',
    '--enable-logging=file',
    '--log-file=/tmp/x',
    '--log-net-log=/tmp/x',
    '--enable-features=X',
    '--single-process',
    '--app=/tmp/x',
    '--type=renderer',
  ])('refuses %s', (word) => {
    expect(refusedSwitch([word], 'shipped')).toBe(word.split('=')[0]);
  });

  it.each(['-inspect', ' --inspect', '\t-inspect=0', '--inspect\n', '\v--inspect'])(
    'sees a switch in %j, as Chromium does',
    (word) => {
      expect(refusedSwitch([word], 'shipped')).toMatch(/inspect/);
    },
  );

  it('refuses a switch after what ends the switches elsewhere', () => {
    expect(refusedSwitch(['--', '--inspect'], 'shipped')).toBe('--');
  });

  it.each([
    '--background',
    '--display=:0',
    '--ozone-platform=wayland',
    '--force-device-scale-factor=1.5',
    '--lang=de-AT',
    '--disable-gpu',
    '--force-renderer-accessibility',
    '--password-store=gnome-libsecret',
  ])('takes %s', (word) => {
    expect(refusedSwitch([word], 'shipped')).toBeNull();
  });

  it.each([
    '--background=yes',
    '--lang',
    '--lang=../../etc',
    '--ozone-platform=/tmp/x.so',
    '--lang=de\n--inspect',
  ])('refuses a value that is none, as in %j', (word) => {
    expect(refusedSwitch([word], 'shipped')).not.toBeNull();
  });

  it('lets pass what is no switch, since it means nothing', () => {
    expect(
      refusedSwitch(['file:///etc/passwd', 'sallyport://connect/1', 'a --inspect', ''], 'shipped'),
    ).toBeNull();
  });

  it('refuses a property of every object like any other name', () => {
    expect(refusedSwitch(['--constructor'], 'shipped')).toBe('--constructor');
    expect(refusedSwitch(['--__proto__'], 'shipped')).toBe('--__proto__');
  });

  it('refuses every switch that no list names', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^--?[a-z][a-z-]{0,20}xq$/), fc.string(), (name, value) => {
        expect(refusedSwitch(['--background', `${name}=${value}`], 'shipped')).toBe(name);
      }),
    );
  });
});

it('a build for tests takes what Playwright drives it with, and refuses the rest alike', () => {
  expect(refusedSwitch(['--inspect=0', '--remote-debugging-port=0', '--background'], 'testing')).toBeNull();
  expect(refusedSwitch(['--remote-debugging-port=9222'], 'testing')).toBe('--remote-debugging-port');
  expect(refusedSwitch(['--no-sandbox'], 'testing')).toBe('--no-sandbox');
});

it('a source tree refuses nothing', () => {
  expect(refusedSwitch(['--no-sandbox', '--inspect'], 'source')).toBeNull();
});
