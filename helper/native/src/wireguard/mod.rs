//! The WireGuard device: packets never reach JavaScript, and keys neither.

mod config;
mod counters;
mod engine;
mod gotatun;
mod keyfile;
mod message;
mod tunnel;
mod udp;
mod watch;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::Status;
use napi::bindgen_prelude::{ClassInstance, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue};
use napi_derive::napi;
use tokio::task::JoinHandle;

use self::config::{Config, WireGuardDeviceConfig, decode_key, encode_key};
use self::counters::Counters;
use self::engine::{Engine, Surroundings};
use self::gotatun::Gotatun;
use self::watch::{Event, Tracker, Witness, unix_milliseconds, watch};
use crate::error::{Code, Error, Result, error, system_error};
use crate::keychain::Vault;
use crate::runtime::Lease;
use crate::stack::wiped;
use crate::tun::Tun;

/// The engine in use. Another one means another line here.
type ChosenEngine = Gotatun;

/// Events that may wait for JavaScript. A flood beyond that loses the newest.
const EVENT_QUEUE: usize = 1024;

/// Something that happened to a WireGuard device.
#[napi(
    discriminant = "kind",
    discriminant_case = "camelCase",
    object_from_js = false
)]
pub enum WireGuardEvent {
    /// A handshake with the peer completed, begun by either side.
    Handshake { public_key: String, endpoint: String },
    /// A handshake with the peer went unanswered for 5 s. Repeated with every further attempt: the time to
    /// resolve the endpoint's name again.
    HandshakeFailed { public_key: String },
    /// The peer sent from another address, where packets go from now on.
    EndpointChanged { public_key: String, endpoint: String },
    /// The device carries no packets any more, since its interface is gone. It still has to be stopped.
    Failed { message: String },
}

/// What a WireGuard device did so far.
#[napi(object, object_from_js = false)]
pub struct WireGuardStatistics {
    /// The UDP port it listens on, 0 while it has no peers.
    pub listen_port: u32,
    /// Each peer's share, in no particular order.
    pub peers: Vec<WireGuardPeerStatistics>,
    /// Bytes received from all present peers.
    pub received_bytes: f64,
    /// Bytes sent to all present peers.
    pub sent_bytes: f64,
    /// Datagrams that were no WireGuard message. Dropped.
    pub malformed_from_network: f64,
    /// Frames read from the interface that held no whole IP packet. Dropped.
    pub malformed_from_tunnel: f64,
    /// Data messages that the engine refused: failed authentication, replay, no session, a content that is no
    /// IP packet, or a source outside the peer's allowed IPs. Brought up to date while no datagram has come
    /// for 20 ms.
    pub refused_from_network: f64,
    /// Packets lost at a full queue, a failed send or a refused write to the interface.
    pub dropped: f64,
}

/// What passed between a WireGuard device and one peer.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct WireGuardPeerStatistics {
    /// The peer's public key in base64.
    pub public_key: String,
    /// Where packets to it go.
    pub endpoint: Option<String>,
    /// When the latest handshake completed, in milliseconds since 1970.
    pub latest_handshake_ms: Option<f64>,
    /// Bytes of packets and handshake messages received from it.
    pub received_bytes: f64,
    /// Bytes of packets and handshake messages sent to it.
    pub sent_bytes: f64,
}

/// A WireGuard device on a TUN interface. It works on threads of its own from `start` to `stop`.
///
/// Functions throw errors with the codes `INVALID_ARGUMENT`, `KEY_UNAVAILABLE`, `KEY_REFUSED`, `TUN_BUSY`,
/// `TUN_FAILED`, `PORT_IN_USE`, `SOCKET_FAILED`, `SECRET_UNREADABLE`, `STOPPED` and `FAILED`.
#[napi]
pub struct WireGuardDevice {
    running: Option<Running>,
    /// The count of the last moment at which everything received had been dealt with.
    refused: f64,
}

struct Running {
    engine: Arc<ChosenEngine>,
    watch: JoinHandle<()>,
    witness: Arc<Witness>,
    tracker: Arc<Mutex<Tracker>>,
    counters: Arc<Counters>,
    events: Arc<Events>,
    // Last: everything above ends on the runtime that this keeps.
    runtime: Lease,
}

#[napi]
impl WireGuardDevice {
    /// Starts carrying packets between `tun` and the peers, and begins a handshake with every peer that has an
    /// endpoint. `onEvent` is called from the event loop, never after `stop`, and does not keep the
    /// process alive. With a vault the key files are what it sealed.
    #[napi(factory, catch_unwind)]
    pub fn start(
        tun: &Tun,
        config: WireGuardDeviceConfig,
        #[napi(ts_arg_type = "(event: WireGuardEvent) => void")] on_event: Function<
            WireGuardEvent,
            UnknownReturnValue,
        >,
        #[napi(ts_arg_type = "Vault | null")] vault: Option<ClassInstance<Vault>>,
    ) -> Result<Self> {
        wiped(|| Self::started(tun, &config, &on_event, vault.as_deref()))
    }

    /// Replaces keys, peers, allowed IPs, preshared keys, keepalives, port and mark. Sessions of peers that stay
    /// go on, unless the private key changed. New peers with an endpoint are contacted at once. `mtu` only
    /// counts at the start.
    #[napi(catch_unwind)]
    pub fn configure(
        &mut self,
        config: WireGuardDeviceConfig,
        #[napi(ts_arg_type = "Vault | null")] vault: Option<ClassInstance<Vault>>,
    ) -> Result<()> {
        wiped(|| self.configured(&config, vault.as_deref()))
    }

    /// Binds new sockets to the same port, drops all sessions and begins new handshakes: for after a change of
    /// network or a sleep.
    #[napi(catch_unwind)]
    pub fn roam(&mut self) -> Result<()> {
        let running = self.running()?;
        running.runtime.block_on(async {
            locked(&running.tracker).forget_sessions();
            running.engine.rebind().await?;
            locked(&running.tracker).forget_sessions();
            for peer in running.engine.facts().await {
                if peer.endpoint.is_some() {
                    running.engine.initiate(&peer.public_key);
                }
            }
            Ok(())
        })
    }

    /// Sends a peer's packets to another endpoint, given as in the configuration, and begins a handshake unless
    /// a fresh session exists.
    #[napi(catch_unwind)]
    pub fn set_peer_endpoint(&mut self, public_key: String, endpoint: String) -> Result<()> {
        let running = self.running()?;
        let peer = decode_key(&public_key)?;
        let address = config::endpoint(&endpoint)?;
        running.runtime.block_on(async {
            if !running.engine.set_endpoint(&peer, address).await? {
                return Err(error(
                    Code::InvalidArgument,
                    format!("there is no peer {public_key}"),
                ));
            }
            locked(&running.tracker).set_endpoint(&peer, address);
            running.engine.initiate(&peer);
            Ok(())
        })
    }

    /// What the device did since it started. Counts of a removed peer go with it.
    #[napi(catch_unwind)]
    pub fn statistics(&mut self) -> Result<WireGuardStatistics> {
        let running = self.running()?;
        let (facts, listen_port) = running
            .runtime
            .block_on(async { (running.engine.facts().await, running.engine.listen_port().await) });
        let counters = &running.counters;
        let refused = running.witness.settled().then(|| {
            counters
                .data_messages
                .get()
                .saturating_sub(counters.delivered.get()) as f64
        });
        let tracker = locked(&running.tracker);
        let statistics = WireGuardStatistics {
            listen_port: listen_port.into(),
            received_bytes: facts.iter().map(|peer| peer.received_bytes as f64).sum(),
            sent_bytes: facts.iter().map(|peer| peer.sent_bytes as f64).sum(),
            malformed_from_network: counters.malformed_from_network.get() as f64,
            malformed_from_tunnel: counters.malformed_from_tunnel.get() as f64,
            refused_from_network: refused.unwrap_or(self.refused),
            dropped: (counters.dropped.get() + running.engine.overflowed()) as f64,
            peers: facts
                .iter()
                .map(|peer| WireGuardPeerStatistics {
                    public_key: encode_key(&peer.public_key),
                    endpoint: peer.endpoint.map(|endpoint| endpoint.to_string()),
                    latest_handshake_ms: tracker.latest_handshake(&peer.public_key).map(unix_milliseconds),
                    received_bytes: peer.received_bytes as f64,
                    sent_bytes: peer.sent_bytes as f64,
                })
                .collect(),
        };
        drop(tracker);
        self.refused = statistics.refused_from_network;
        Ok(statistics)
    }

    /// Ends the device. Afterwards its threads, sockets and descriptors are gone and the TUN is free for
    /// another. Stopping twice does nothing.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    fn started(
        tun: &Tun,
        config: &WireGuardDeviceConfig,
        on_event: &Function<WireGuardEvent, UnknownReturnValue>,
        vault: Option<&Vault>,
    ) -> Result<Self> {
        let config = Config::read(config, vault)?;
        let device = Arc::clone(tun.device()?);
        let claim = device.claim()?;
        let events = Arc::new(events(on_event)?);
        let runtime = Lease::take()
            .map_err(|cause| system_error(Code::Failed, "cannot start the data plane's threads", &cause))?;

        let counters = Arc::<Counters>::default();
        let witness = Arc::<Witness>::default();
        let tracker = Arc::<Mutex<Tracker>>::default();
        locked(&tracker).configure(&config);
        let peers: Vec<_> = config
            .peers
            .iter()
            .filter(|peer| peer.endpoint.is_some())
            .map(|peer| peer.public_key)
            .collect();
        let (mtu, mtu_changes) = tokio::sync::watch::channel(device.mtu().unwrap_or(config.mtu));

        let (engine, watch) = runtime.block_on(async {
            let surroundings = Surroundings {
                tun: claim,
                counters: Arc::clone(&counters),
                witness: Arc::clone(&witness),
                mtu: mtu_changes,
            };
            let engine = Arc::new(ChosenEngine::start(surroundings, config).await?);
            let watch = tokio::spawn(watch(
                Arc::clone(&engine),
                device,
                Arc::clone(&witness),
                Arc::clone(&tracker),
                mtu,
                {
                    let events = Arc::clone(&events);
                    move |event: Event| {
                        events.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking);
                    }
                },
            ));
            peers.iter().for_each(|peer| engine.initiate(peer));
            Ok::<_, Error>((engine, watch))
        })?;
        Ok(Self {
            running: Some(Running {
                engine,
                watch,
                witness,
                tracker,
                counters,
                events,
                runtime,
            }),
            refused: 0.0,
        })
    }

    fn configured(&self, config: &WireGuardDeviceConfig, vault: Option<&Vault>) -> Result<()> {
        let running = self.running()?;
        let config = Config::read(config, vault)?;
        let peers: Vec<_> = config
            .peers
            .iter()
            .filter(|peer| peer.endpoint.is_some())
            .map(|peer| peer.public_key)
            .collect();
        running.runtime.block_on(async {
            locked(&running.tracker).configure(&config);
            running.engine.configure(config).await?;
            peers.iter().for_each(|peer| running.engine.initiate(peer));
            Ok(())
        })
    }

    fn running(&self) -> Result<&Running> {
        self.running
            .as_ref()
            .ok_or_else(|| error(Code::Stopped, "the WireGuard device was stopped"))
    }
}

impl Drop for WireGuardDevice {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn stop(self) {
        let Self {
            engine,
            watch,
            runtime,
            events,
            ..
        } = self;
        runtime.block_on(async {
            watch.abort();
            // Until it has ended it holds the engine.
            let _ = watch.await;
            if let Some(engine) = Arc::into_inner(engine) {
                engine.stop().await;
            }
        });
        if let Some(events) = Arc::into_inner(events) {
            // Takes back the calls that wait for the event loop.
            #[expect(deprecated, reason = "only dropping it would still make the waiting calls")]
            let _ = events.abort();
        }
    }
}

/// The public key, in base64, of the private key in a file. Throws `KEY_UNAVAILABLE` or `KEY_REFUSED`.
#[napi(catch_unwind)]
pub fn public_key_of(private_key_file: String) -> Result<String> {
    let secret = keyfile::read(Path::new(&private_key_file), None)?;
    Ok(encode_key(keyfile::public_key(&secret).as_bytes()))
}

/// Creates a file, mode 0600, with a new private key. An existing file is left alone: `KEY_UNAVAILABLE`.
#[napi(catch_unwind)]
pub fn generate_private_key(path: String) -> Result<()> {
    keyfile::generate(Path::new(&path))
}

/// A way to tell JavaScript, from any thread and without waiting.
type Events =
    ThreadsafeFunction<WireGuardEvent, UnknownReturnValue, WireGuardEvent, Status, false, true, EVENT_QUEUE>;

fn events(on_event: &Function<WireGuardEvent, UnknownReturnValue>) -> Result<Events> {
    on_event
        .build_threadsafe_function()
        .callee_handled::<false>()
        .weak::<true>()
        .max_queue_size::<EVENT_QUEUE>()
        .build()
        .map_err(|cause| {
            error(
                Code::InvalidArgument,
                format!("onEvent cannot be called: {}", cause.reason),
            )
        })
}

impl From<Event> for WireGuardEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Handshake { peer, endpoint } => Self::Handshake {
                public_key: encode_key(&peer),
                endpoint: endpoint.to_string(),
            },
            Event::HandshakeFailed { peer } => Self::HandshakeFailed {
                public_key: encode_key(&peer),
            },
            Event::EndpointChanged { peer, endpoint } => Self::EndpointChanged {
                public_key: encode_key(&peer),
                endpoint: endpoint.to_string(),
            },
            Event::Failed { message } => Self::Failed { message },
        }
    }
}

/// Locks a mutex that guards plain data: a panic elsewhere leaves nothing half done in it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
