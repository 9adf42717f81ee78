//! The boundary of the WireGuard engine. Everything outside `gotatun.rs` knows only this.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::config::{Config, PublicKey};
use super::counters::Counters;
use super::watch::Witness;
use crate::error::Result;
use crate::tun::Claim;

/// What an engine works with.
pub struct Surroundings {
    /// The TUN whose packets it carries, until it is stopped.
    pub tun: Claim,
    /// Where it counts what it loses.
    pub counters: Arc<Counters>,
    /// Whom it tells about handshake messages and a lost TUN.
    pub witness: Arc<Witness>,
    /// The interface's MTU, followed as it changes.
    pub mtu: watch::Receiver<u16>,
}

/// What an engine knows about a peer.
#[derive(Clone, Debug)]
pub struct PeerFacts {
    pub public_key: PublicKey,
    pub endpoint: Option<SocketAddr>,
    /// Time since the handshake of the session in use, `None` without a session.
    pub session_age: Option<Duration>,
    /// Bytes of decrypted packets and of handshake messages.
    pub received_bytes: u64,
    /// Bytes of encrypted packets and of handshake messages.
    pub sent_bytes: u64,
}

/// A running WireGuard device. All functions need the runtime around them.
pub trait Engine: Send + Sync + Sized + 'static {
    /// Binds the sockets and carries packets from now on. Handshakes wait for [`Engine::initiate`] or traffic.
    fn start(surroundings: Surroundings, config: Config) -> impl Future<Output = Result<Self>>;

    /// Makes the device what `config` says. Sessions of peers that stay are kept; an endpoint that roamed is
    /// kept unless the configured one changed.
    fn configure(&self, config: Config) -> impl Future<Output = Result<()>>;

    /// Drops all sessions and binds new sockets to the same port.
    fn rebind(&self) -> impl Future<Output = Result<()>>;

    /// Sends to `endpoint` from now on, until the peer roams. `false`: there is no such peer.
    fn set_endpoint(&self, peer: &PublicKey, endpoint: SocketAddr) -> impl Future<Output = Result<bool>>;

    /// Begins a handshake unless one is under way or a fresh session exists. Does not wait for its end.
    fn initiate(&self, peer: &PublicKey);

    /// All peers with what is known about them.
    fn facts(&self) -> impl Future<Output = Vec<PeerFacts>> + Send;

    /// Packets dropped by the kernel before the engine saw them.
    fn overflowed(&self) -> u64;

    /// The UDP port it listens on, 0 while it has no sockets.
    fn listen_port(&self) -> impl Future<Output = u16>;

    /// Ends it and waits until sockets and TUN are let go.
    fn stop(self) -> impl Future<Output = ()>;
}
