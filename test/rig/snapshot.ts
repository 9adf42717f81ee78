import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { run } from './run.ts';

export interface SnapshotOptions {
  /** Directories listed beside `/run`: sockets, state. One that does not exist counts as empty. */
  readonly directories?: readonly string[];
}

/**
 * All that a tunnel may have changed in the namespaces of this process, one fact a line: links, addresses, routes
 * of every table, rules, firewall, resolv.conf, sysctls, network namespaces, files below `/run`.
 *
 * What changes by itself is left out: lifetimes, counters, interface numbers, order.
 */
export type NetworkSnapshot = readonly string[];

export async function snapshotNetwork(options: SnapshotOptions = {}): Promise<NetworkSnapshot> {
  const parts = await Promise.all([
    links(),
    addresses(),
    objects('route', ['-4', 'route', 'show', 'table', 'all']),
    objects('route6', ['-6', 'route', 'show', 'table', 'all']),
    objects('rule', ['-4', 'rule']),
    objects('rule6', ['-6', 'rule']),
    firewall(),
    resolvConf(),
    ...['all', 'default'].flatMap((name) => [
      sysctls(`net/ipv4/conf/${name}`),
      sysctls(`net/ipv6/conf/${name}`),
    ]),
    namespaces(),
    ...['/run', ...(options.directories ?? [])].map((directory) => files(directory)),
  ]);
  return parts.flat().sort();
}

/** What the second snapshot lost (`- …`) and gained (`+ …`); empty if nothing was left behind. */
export function diffSnapshots(before: NetworkSnapshot, after: NetworkSnapshot): string[] {
  const balance = new Map<string, number>();
  for (const line of before) balance.set(line, (balance.get(line) ?? 0) - 1);
  for (const line of after) balance.set(line, (balance.get(line) ?? 0) + 1);
  return [...balance].flatMap(([line, count]) =>
    Array.from({ length: Math.abs(count) }, () => `${count < 0 ? '-' : '+'} ${line}`),
  );
}

const linksSchema = z.array(
  z.object({
    ifname: z.string(),
    mtu: z.int(),
    link_type: z.string(),
    flags: z.array(z.string()),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
  }),
);

async function links(): Promise<string[]> {
  const all = linksSchema.parse(await ipJson(['-details', 'link']));
  return all.map(({ ifname, mtu, link_type, flags, linkinfo }) => {
    const kind = linkinfo?.info_kind ?? link_type;
    return `link ${ifname} ${kind} mtu ${String(mtu)} ${flags.includes('UP') ? 'up' : 'down'}`;
  });
}

const addressesSchema = z.array(
  z.object({
    ifname: z.string(),
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.int(), scope: z.string() })),
  }),
);

async function addresses(): Promise<string[]> {
  const all = addressesSchema.parse(await ipJson(['address']));
  return all.flatMap(({ ifname, addr_info }) =>
    addr_info.map(
      ({ local, prefixlen, scope }) => `address ${ifname} ${local}/${String(prefixlen)} ${scope}`,
    ),
  );
}

const objectsSchema = z.array(z.record(z.string(), z.unknown()));
const volatile = new Set(['expires', 'cache', 'used', 'age']);

async function objects(what: string, args: readonly string[]): Promise<string[]> {
  const all = objectsSchema.parse(await ipJson(args));
  return all.map((one) => {
    const words = Object.entries(one)
      .filter(([key]) => !volatile.has(key))
      .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
    return `${what} ${words.sort().join(' ')}`;
  });
}

async function ipJson(args: readonly string[]): Promise<unknown> {
  const output = await run('ip', ['-json', ...args]);
  // Some versions print nothing at all where there is nothing to list.
  return output.trim() === '' ? [] : JSON.parse(output);
}

/** Each line with the table and chain that it stands in. */
async function firewall(): Promise<string[]> {
  const ruleset = await run('nft', ['--stateless', 'list', 'ruleset']);
  const path: string[] = [];
  return ruleset.split('\n').flatMap((line) => {
    const text = line.trim();
    if (text === '') return [];
    if (text === '}') {
      path.pop();
      return [];
    }
    const fact = `nft ${[...path, text].join(' ')}`;
    if (text.endsWith('{')) path.push(text);
    return [fact];
  });
}

async function resolvConf(): Promise<string[]> {
  const path = '/etc/resolv.conf';
  const facts = await lstat(path).catch(() => null);
  if (facts === null) return [`${path} is absent`];
  const kind = facts.isSymbolicLink() ? `link to ${await readlink(path)}` : (facts.mode & 0o777).toString(8);
  const content = await readFile(path, 'utf8').catch(() => '');
  return [`${path} ${kind}`, ...content.split('\n').map((line) => `${path}: ${line}`)];
}

async function sysctls(directory: string): Promise<string[]> {
  const root = join('/proc/sys', directory);
  const names = await readdir(root).catch(() => []);
  return Promise.all(
    names.map(async (name) => {
      // Some may be written only, or only once they were set.
      const value = await readFile(join(root, name), 'utf8').catch(() => 'unreadable');
      return `sysctl ${directory}/${name} = ${value.trim()}`;
    }),
  );
}

async function namespaces(): Promise<string[]> {
  const names = await run('ip', ['netns', 'list']);
  return names
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `netns ${line.split(' ')[0] ?? line}`);
}

/** The rig's own: the private copy of `/etc`, the mounts of namespaces, what it lends to `wg`. */
const rigPaths = /^\/run\/(etc|netns|rig-[^/]*)(\/|$)/;

async function files(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    if (rigPaths.test(path)) return [];
    const kind = entry.isDirectory()
      ? 'directory'
      : entry.isSocket()
        ? 'socket'
        : entry.isFile()
          ? 'file'
          : 'other';
    return [`${kind} ${path}`];
  });
}
