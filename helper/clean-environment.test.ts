import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { cleanEnvironment } from './clean-environment.ts';

describe('[L8] the environment', () => {
  it('loses whatever is a person’s or steers a library', () => {
    const environment: NodeJS.ProcessEnv = {
      PATH: '/home/anna/bin:/usr/bin',
      LANG: 'de_DE.UTF-8',
      TZ: 'Europe/Berlin',
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '1',
      LISTEN_FDS: '1',
      DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/run/dbus/system_bus_socket',
      HOME: '/home/anna',
      USER: 'anna',
      LOGNAME: 'anna',
      SUDO_UID: '1000',
      XDG_RUNTIME_DIR: '/run/user/1000',
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/run/user/1000/bus',
      DISPLAY: ':0',
      LD_PRELOAD: '/home/anna/evil.so',
      NODE_OPTIONS: '--require /home/anna/evil.js',
      NODE_EXTRA_CA_CERTS: '/home/anna/ca.pem',
      SSLKEYLOGFILE: '/home/anna/keys',
      RES_OPTIONS: 'debug',
      http_proxy: 'http://evil.example',
      SALLYPORT_ENDPOINT: '/tmp/x',
    };
    cleanEnvironment(environment);
    expect(environment).toEqual({
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'de_DE.UTF-8',
      TZ: 'Europe/Berlin',
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '1',
      LISTEN_FDS: '1',
      DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/run/dbus/system_bus_socket',
    });
  });

  it('is the one that programs started later see', () => {
    const script = `
      import { cleanEnvironment } from ${JSON.stringify(new URL('clean-environment.ts', import.meta.url).href)};
      import { execFileSync } from 'node:child_process';
      cleanEnvironment(process.env);
      process.stdout.write(execFileSync('/usr/bin/env', { encoding: 'utf8' }));
    `;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      env: { HOME: '/home/anna', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/x', NODE_OPTIONS: '--no-warnings' },
    });
    expect(output).toBe('PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n');
  });
});
