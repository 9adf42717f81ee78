/** An IPv4 and an IPv6 address. */
export interface AddressPair {
  readonly v4: string;
  readonly v6: string;
}

/** Where a peer lives: all its names and addresses. None is routed on the Internet. */
export interface PeerSite {
  /** Of its namespace. */
  readonly namespace: string;
  /** The client's end of the cable, in the client's namespace. */
  readonly clientLink: string;
  /** The peer's WireGuard interface. Distinct per peer: their control sockets share a directory. */
  readonly interfaceName: string;
  /** The cable: client's and peer's address, /24 and /64. */
  readonly underlay: {
    readonly client: AddressPair;
    readonly peer: AddressPair;
    readonly moved: AddressPair;
  };
  /** Behind the tunnel: the peer's address there, which is also that of page and name server; /24 and /64. */
  readonly tunnel: AddressPair;
  readonly tunnelNetworks: AddressPair;
  /** Stands for the Internet: reached directly without a tunnel, through it with a full one. */
  readonly internet: AddressPair;
}

/** Two sites: the first is the client's default gateway. */
export const peerSites: readonly [PeerSite, PeerSite] = [
  {
    namespace: 'peer',
    clientLink: 'under0',
    interfaceName: 'wg-peer',
    underlay: {
      client: { v4: '192.0.2.1', v6: '2001:db8:1::1' },
      peer: { v4: '192.0.2.2', v6: '2001:db8:1::2' },
      moved: { v4: '192.0.2.3', v6: '2001:db8:1::3' },
    },
    tunnel: { v4: '10.77.0.1', v6: 'fd77::1' },
    tunnelNetworks: { v4: '10.77.0.0/24', v6: 'fd77::/64' },
    internet: { v4: '203.0.113.80', v6: '2001:db8:ffff::80' },
  },
  {
    namespace: 'peer2',
    clientLink: 'under1',
    interfaceName: 'wg-peer2',
    underlay: {
      client: { v4: '198.51.100.1', v6: '2001:db8:2::1' },
      peer: { v4: '198.51.100.2', v6: '2001:db8:2::2' },
      moved: { v4: '198.51.100.3', v6: '2001:db8:2::3' },
    },
    tunnel: { v4: '10.78.0.1', v6: 'fd78::1' },
    tunnelNetworks: { v4: '10.78.0.0/24', v6: 'fd78::/64' },
    internet: { v4: '203.0.113.81', v6: '2001:db8:ffff::81' },
  },
];

/** The peer's WireGuard port. */
export const peerPort = 51820;

/** The only text of every page behind the tunnel. */
export const pageText = 'Sallyport test page: whoever reads this came through the tunnel.';

/** Known to the name server behind the tunnel alone. */
export const intranetName = 'intranet.demo';
/** The peer's endpoint by name, known to the name server on the cable alone. */
export const peerName = 'peer.underlay.test';
