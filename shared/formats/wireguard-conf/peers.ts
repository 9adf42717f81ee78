import type { ProblemList } from '../format-error.ts';
import { maximumAllowedIPs, maximumPeers, type PeerKey, type WireGuardPeer } from './conf.ts';
import { SectionReader, type Located } from './section-reader.ts';
import type { Section } from './sections.ts';
import { readAllowedIPs, readEndpoint, readKeyMaterial, readPersistentKeepalive } from './values.ts';

/** Who has what, and in which line it was given. */
interface Taken {
  readonly peer: Section<PeerKey>;
  readonly line: number;
}

/**
 * Reads the peers and checks them against each other.
 *
 * @throws FormatError when there are too many, before reading more of them.
 */
export function readPeers(
  sections: readonly Section<PeerKey>[],
  privateKey: string,
  problems: ProblemList,
): WireGuardPeer[] {
  if (sections.length === 0) {
    problems.add(
      'missingSection',
      null,
      'There is no [Peer] section, so there is nobody to connect to. Add one.',
    );
  }
  const tooMany = sections[maximumPeers];
  if (tooMany !== undefined) {
    const reason = `There are more than ${String(maximumPeers)} peers.`;
    throw problems.closedWith('tooMany', tooMany.line, reason);
  }
  const publicKeys = new Map<string, number>();
  const networks = new Map<string, Taken>();
  let total = 0;
  return sections.map((section) => {
    const reader = new SectionReader(section, problems);
    const publicKey = readPublicKey(reader, section, publicKeys, privateKey, problems);
    const allowedIPs = reader.many('AllowedIPs', splitAtCommas, readAllowedIPs);
    total += allowedIPs.length;
    if (total > maximumAllowedIPs) {
      const reason = `There are more than ${String(maximumAllowedIPs)} AllowedIPs.`;
      throw problems.closedWith('tooMany', reader.lineOf('AllowedIPs'), reason);
    }
    return {
      publicKey,
      presharedKey: readPresharedKey(reader, publicKey, privateKey, problems),
      allowedIPs: claim(networks, section, allowedIPs, problems),
      endpoint: reader.one('Endpoint', readEndpoint),
      persistentKeepalive: reader.one('PersistentKeepalive', readPersistentKeepalive),
    };
  });
}

/** The key, or an empty string where a problem has been reported. */
function readPublicKey(
  reader: SectionReader<PeerKey>,
  section: Section<PeerKey>,
  earlier: Map<string, number>,
  privateKey: string,
  problems: ProblemList,
): string {
  const line = reader.lineOf('PublicKey');
  if (line === null) problems.add('missingKey', section.line, '[Peer] has no PublicKey. Add it.');
  const publicKey = reader.one('PublicKey', (value) => readKeyMaterial('PublicKey', value));
  if (publicKey === null) return '';
  const first = earlier.get(publicKey);
  if (first !== undefined) {
    const reason = `The peer with this PublicKey is already in line ${String(first)}. Put both into one [Peer].`;
    problems.add('duplicatePeer', line, reason);
  }
  earlier.set(publicKey, first ?? line ?? section.line);
  if (publicKey === privateKey) {
    const reason =
      'PublicKey is the same as PrivateKey. Write the public key of the peer, and take a new private key.';
    problems.add('reusedKeyMaterial', line, reason);
  }
  return publicKey;
}

function readPresharedKey(
  reader: SectionReader<PeerKey>,
  publicKey: string,
  privateKey: string,
  problems: ProblemList,
): string | null {
  const presharedKey = reader.one('PresharedKey', (value) => readKeyMaterial('PresharedKey', value));
  if (presharedKey !== null && (presharedKey === privateKey || presharedKey === publicKey)) {
    const other = presharedKey === privateKey ? 'PrivateKey' : 'PublicKey';
    const reason = `PresharedKey is the same as ${other}. Write the key that the peer shares with you.`;
    problems.add('reusedKeyMaterial', reader.lineOf('PresharedKey'), reason);
  }
  return presharedKey;
}

/**
 * A network belongs to one peer, since a packet goes to one. The kernel would take it from the first without a word.
 * One network inside another's is usual: the longer prefix wins.
 */
function claim(
  taken: Map<string, Taken>,
  peer: Section<PeerKey>,
  networks: readonly Located<string>[],
  problems: ProblemList,
): string[] {
  const claimed = new Set<string>();
  for (const { line, value } of networks) {
    const owner = taken.get(value);
    if (owner !== undefined && owner.peer !== peer) {
      const reason = `AllowedIPs ${value} already belongs to the peer in line ${String(owner.line)}. Remove one of them.`;
      problems.add('duplicateAllowedIPs', line, reason);
      continue;
    }
    taken.set(value, owner ?? { peer, line });
    claimed.add(value);
  }
  return [...claimed];
}

/** As wg does, so that nothing between two commas is a mistake. */
function splitAtCommas(value: string): string[] {
  return value.split(',').map((part) => part.trim());
}
