const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** What some resolvers take for an IPv4 address: `1.2`, `010.1`, `0x7f000001`. */
const numeric = /^(?:\d+|0x[0-9a-f]*)$/;

/**
 * A DNS name in lower case without the root's dot, or null when it is not one.
 *
 * ASCII only, so that no two names look alike; an internationalised name is written in its `xn--` form. Labels have
 * 1 to 63 letters, digits, hyphens and underscores, all of it 253 at most (RFC 1035, 2.3.4). The last label is not
 * a number, since such a name could be taken for an address.
 */
export function parseDomainName(text: string): string | null {
  // Before the case, since the Kelvin sign's lower case is k.
  if (text.length > 254 || !/^[\w.-]*$/.test(text)) return null;
  const name = text.toLowerCase().replace(/\.$/, '');
  if (name.length > 253) return null;
  const labels = name.split('.');
  if (!labels.every((part) => label.test(part))) return null;
  return numeric.test(labels.at(-1) ?? '') ? null : name;
}
