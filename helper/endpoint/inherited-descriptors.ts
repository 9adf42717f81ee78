/**
 * How many descriptors the service manager passed to this process, from 3 on (sd_listen_fds(3)); 0 without one.
 *
 * What the environment says is meant for the process that it names, not for those started by it.
 */
export function inheritedDescriptors(environment: NodeJS.ProcessEnv, pid: number): number {
  const { LISTEN_PID: process, LISTEN_FDS: count } = environment;
  if (process !== String(pid) || count === undefined || !/^\d{1,3}$/.test(count)) return 0;
  return Number(count);
}
