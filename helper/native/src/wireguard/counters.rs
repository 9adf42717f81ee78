//! What happened to packets, counted where it happens.

use crate::counter::Counter;

/// The counts of one device.
#[derive(Default)]
pub struct Counters {
    /// Datagrams that are no WireGuard message.
    pub malformed_from_network: Counter,
    /// Frames from the TUN that hold no whole IP packet.
    pub malformed_from_tunnel: Counter,
    /// Packets lost at a full queue, at a refused write or at a failed send.
    pub dropped: Counter,
    /// Data messages, keepalives aside, that were given to the engine.
    pub data_messages: Counter,
    /// Packets that the engine gave back from them.
    pub delivered: Counter,
}
