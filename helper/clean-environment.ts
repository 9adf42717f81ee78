/** What the helper and the libraries in it may read; everything else may hold a person's state or a trick. */
const kept = new Set([
  'PATH',
  'LANG',
  'TZ',
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  'DBUS_SYSTEM_BUS_ADDRESS',
]);

/** Where programs lie that the helper may start. */
const safePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Removes every variable that is not on the list: no person's `HOME`, no session bus (contract L8). */
export function cleanEnvironment(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) {
    if (!kept.has(name)) Reflect.deleteProperty(environment, name);
  }
  environment['PATH'] = safePath;
}
