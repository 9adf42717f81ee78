//! The engine: gotatun as a library between our own transports.
//!
//! Known limits of it, for whoever replaces it: preshared keys lie in its memory without being wiped; its
//! crypto uses one core per direction; it tells of a handshake's age in steps of 250 ms.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gotatun::device::{self, DeviceBuilder};
use gotatun::x25519;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use zeroize::Zeroize;

use super::config::{Config, Peer, PublicKey};
use super::engine::{Engine, PeerFacts, Surroundings};
use super::locked;
use super::tunnel::{Reader, Writer};
use super::udp::{Current, Factory};
use super::watch::Witness;
use crate::error::{Code, Error, Result, error, system_error};
use crate::tun::{self, Port};

/// How long the parts of a stopped device may take to let go of the TUN.
const RELEASE: Duration = Duration::from_secs(2);
/// How long a forced handshake is waited for, to notice its end without delay.
const HANDSHAKE: Duration = Duration::from_secs(5);

type Device = device::Device<(Factory, Writer, Reader)>;

/// A running gotatun device.
pub struct Gotatun {
    device: Arc<Device>,
    witness: Arc<Witness>,
    tun: Arc<tun::Device>,
    sockets: Arc<Current>,
    writer: JoinHandle<()>,
    /// Handshakes begun on request, until they end.
    handshakes: Mutex<JoinSet<()>>,
    /// The configuration in force.
    applied: Mutex<Applied>,
}

struct Applied {
    listen_port: Option<u16>,
    fwmark: Option<u32>,
    peers: Vec<Peer>,
}

impl Gotatun {
    /// Applies a changed listen port; keeps the old one if the new one cannot be had.
    async fn set_listen_port(&self, wanted: u16) -> Result<()> {
        let before = self.listen_port().await;
        let Err(cause) = self.device.set_listen_port(wanted).await else {
            return Ok(());
        };
        // Without this the device would be left without sockets. The first error is the one to tell.
        let _ = self.device.set_listen_port(before).await;
        Err(engine_error(&cause))
    }

    async fn apply_peers(&self, before: &[Peer], config: &Config) -> std::result::Result<(), device::Error> {
        let secret = x25519::StaticSecret::from(*config.private_key);
        self.device
            .write(async |device| {
                device.set_private_key(secret).await;
                for old in before {
                    if !config.peers.iter().any(|peer| peer.public_key == old.public_key) {
                        device.remove_peer(&x25519::PublicKey::from(old.public_key)).await;
                    }
                }
                for peer in &config.peers {
                    let Some(old) = before.iter().find(|old| old.public_key == peer.public_key) else {
                        device.add_peer(engine_peer(peer));
                        continue;
                    };
                    // Always: another peer may have taken, or given back, one of its networks.
                    device
                        .modify_peer(&x25519::PublicKey::from(peer.public_key), |change| {
                            change.clear_allowed_ips();
                            change.add_allowed_ips(peer.allowed_ips.iter().copied());
                            if peer.preshared_key != old.preshared_key {
                                change.set_preshared_key(peer.preshared_key.as_deref().copied());
                            }
                            if peer.keepalive != old.keepalive {
                                change.set_keepalive(peer.keepalive);
                            }
                        })
                        .await;
                }
            })
            .await
    }
}

impl Engine for Gotatun {
    async fn start(surroundings: Surroundings, config: Config) -> Result<Self> {
        let Surroundings {
            tun,
            counters,
            witness,
            mtu,
        } = surroundings;
        let port = Port::new(tun)
            .map(Arc::new)
            .map_err(|cause| system_error(Code::TunFailed, "cannot watch the TUN", &cause))?;
        let (writer, writer_task) =
            Writer::spawn(Arc::clone(&port), Arc::clone(&counters), Arc::clone(&witness));
        let reader = Reader::new(
            Arc::clone(&port),
            Arc::clone(&counters),
            Arc::clone(&witness),
            mtu,
        );
        let sockets = Arc::<Current>::default();
        let factory = Factory {
            counters,
            witness: Arc::clone(&witness),
            current: Arc::clone(&sockets),
        };

        let builder = DeviceBuilder::new()
            .with_udp(factory)
            .with_ip_pair(writer, reader)
            .with_private_key(x25519::StaticSecret::from(*config.private_key))
            .with_listen_port(config.listen_port.unwrap_or(0))
            .with_fwmark(config.fwmark.unwrap_or(0))
            .with_peers(config.peers.iter().map(engine_peer));
        let tun = Arc::clone(port.device());
        drop(port);
        match builder.build().await {
            Ok(device) => Ok(Self {
                device: Arc::new(device),
                witness,
                tun,
                sockets,
                writer: writer_task,
                handshakes: Mutex::default(),
                applied: Mutex::new(Applied {
                    listen_port: config.listen_port,
                    fwmark: config.fwmark,
                    peers: config.peers,
                }),
            }),
            Err(cause) => {
                released(&tun).await;
                Err(engine_error(&cause))
            }
        }
    }

    async fn configure(&self, config: Config) -> Result<()> {
        let (listen_port, fwmark, before) = {
            let applied = locked(&self.applied);
            (applied.listen_port, applied.fwmark, applied.peers.clone())
        };
        // First what can fail.
        let wanted = config.listen_port.or(listen_port);
        if wanted != listen_port {
            self.set_listen_port(wanted.unwrap_or(0)).await?;
            locked(&self.applied).listen_port = wanted;
        }
        if config.fwmark != fwmark {
            self.device
                .set_fwmark(config.fwmark.unwrap_or(0))
                .await
                .map_err(|cause| engine_error(&cause))?;
            locked(&self.applied).fwmark = config.fwmark;
        }
        self.apply_peers(&before, &config)
            .await
            .map_err(|cause| engine_error(&cause))?;
        let has_peers = !config.peers.is_empty();
        let moved: Vec<_> = config
            .peers
            .iter()
            .filter_map(|peer| {
                let old = before.iter().find(|old| old.public_key == peer.public_key)?;
                let endpoint = peer.endpoint.filter(|_| peer.endpoint != old.endpoint)?;
                Some((peer.public_key, endpoint))
            })
            .collect();
        locked(&self.applied).peers = config.peers;
        for (peer, endpoint) in moved {
            self.set_endpoint(&peer, endpoint).await?;
        }
        if has_peers && self.sockets.get().is_none() {
            // A device that started without peers has no sockets yet.
            return self.rebind().await;
        }
        Ok(())
    }

    async fn rebind(&self) -> Result<()> {
        self.device.suspend().await;
        self.device.resume().await.map_err(|cause| engine_error(&cause))
    }

    async fn set_endpoint(&self, peer: &PublicKey, endpoint: SocketAddr) -> Result<bool> {
        let key = x25519::PublicKey::from(*peer);
        let configured = {
            let applied = locked(&self.applied);
            applied
                .peers
                .iter()
                .find(|known| known.public_key == *peer)
                .cloned()
        };
        let Some(configured) = configured else {
            return Ok(false);
        };
        let facts = self.facts().await;
        let waits = facts.iter().any(|known| {
            known.public_key == *peer && known.session_age.is_none() && known.endpoint != Some(endpoint)
        });
        self.device
            .write(async |device| {
                if waits {
                    // An initiation on its way to the old endpoint keeps the engine from sending another for
                    // five seconds. There is no session to lose, so the peer can start afresh.
                    device.remove_peer(&key).await;
                    device.add_peer(engine_peer(&configured).with_endpoint(endpoint));
                } else {
                    device
                        .modify_peer(&key, |change| change.set_endpoint(Some(endpoint)))
                        .await;
                }
            })
            .await
            .map_err(|cause| engine_error(&cause))?;
        Ok(true)
    }

    fn initiate(&self, peer: &PublicKey) {
        let key = x25519::PublicKey::from(*peer);
        let (device, witness) = (Arc::clone(&self.device), Arc::clone(&self.witness));
        let mut handshakes = locked(&self.handshakes);
        while handshakes.try_join_next().is_some() {}
        handshakes.spawn(async move {
            // Whether it came about is read from the facts; its end is only worth a look.
            let _ = timeout(HANDSHAKE, device.force_handshake(&key)).await;
            witness.handshake_received();
        });
    }

    async fn facts(&self) -> Vec<PeerFacts> {
        let peers = self.device.peers().await;
        peers
            .into_iter()
            .map(|mut known| {
                known.peer.preshared_key.zeroize();
                PeerFacts {
                    public_key: known.peer.public_key.to_bytes(),
                    endpoint: known.peer.endpoint,
                    session_age: known.stats.last_handshake,
                    received_bytes: known.stats.rx_bytes as u64,
                    sent_bytes: known.stats.tx_bytes as u64,
                }
            })
            .collect()
    }

    fn overflowed(&self) -> u64 {
        self.sockets.get().map_or(0, |sockets| sockets.overflowed())
    }

    async fn listen_port(&self) -> u16 {
        self.device.read(async |device| device.listen_port()).await
    }

    async fn stop(self) {
        let mut handshakes = std::mem::take(&mut *locked(&self.handshakes));
        handshakes.shutdown().await;
        match Arc::into_inner(self.device) {
            Some(device) => device.stop().await,
            // Nobody else holds it; were it so, dropping the last handle inside the runtime stops it too.
            None => debug_assert!(false, "the device is still in use"),
        }
        let _ = timeout(RELEASE, self.writer).await;
        self.sockets.closed().await;
        released(&self.tun).await;
    }
}

/// Waits until nobody reads or writes the TUN any more.
async fn released(tun: &tun::Device) {
    let wait = async {
        while tun.in_use() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let _ = timeout(RELEASE, wait).await;
}

fn engine_peer(peer: &Peer) -> device::Peer {
    let mut made = device::Peer::new(x25519::PublicKey::from(peer.public_key))
        .with_allowed_ips(peer.allowed_ips.iter().copied());
    made.endpoint = peer.endpoint;
    made.keepalive = peer.keepalive;
    made.preshared_key = peer.preshared_key.as_deref().copied();
    made
}

fn engine_error(cause: &device::Error) -> Error {
    match cause {
        device::Error::Bind(cause, params) if cause.kind() == io::ErrorKind::AddrInUse => error(
            Code::PortInUse,
            format!(
                "UDP port {} is taken by another socket; choose another port or none",
                params.port
            ),
        ),
        device::Error::Bind(cause, _) => {
            system_error(Code::SocketFailed, "cannot open the UDP sockets", cause)
        }
        other => error(Code::Failed, format!("the WireGuard engine failed: {other}")),
    }
}
