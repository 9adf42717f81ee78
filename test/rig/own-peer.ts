import type { PeerImplementation } from './foreign-peer.ts';
/** TODO */
export const ownPeer: PeerImplementation = { name: 'sallyport', start: () => Promise.reject(new Error('not yet')) };
