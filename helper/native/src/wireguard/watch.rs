//! Watches a device and tells what happens to its peers.
//!
//! The engine offers no hooks, but its messages pass our sockets: they say when it is worth asking. Between
//! them the watch sleeps a second.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};

use super::config::{Config, PublicKey};
use super::engine::{Engine, PeerFacts};
use super::locked;
use super::message::{self, Kind, ReceiverMark};
use crate::tun::Device;

/// How long an initiation may stay unanswered before it counts as failed (REKEY_TIMEOUT of the paper).
const ANSWER: Duration = Duration::from_secs(5);
/// How soon after a handshake message the engine's state is asked again, and for how long.
const HOT_PERIOD: Duration = Duration::from_millis(1);
const HOT: Duration = Duration::from_millis(30);
/// How often it is asked while an initiation is unanswered: at first, and later.
const FRESH_PERIOD: Duration = Duration::from_millis(5);
const FRESH: Duration = Duration::from_secs(2);
const PENDING_PERIOD: Duration = Duration::from_millis(100);
/// How often it is asked otherwise.
const CALM_PERIOD: Duration = Duration::from_secs(1);
/// Two session ages of one handshake, taken at different times, differ by less than this; those of two
/// handshakes, which the engine stamps four times a second, by more.
const SAME_HANDSHAKE: Duration = Duration::from_millis(100);
/// An engine that has not initiated for this long has given up.
const GIVEN_UP: Duration = Duration::from_secs(15);
/// How long no datagram may have come for the counters to have settled.
const SETTLED: Duration = Duration::from_millis(20);
/// Sent handshake messages that wait for the watch. More of them only delay what is told.
const SENT_MAX: usize = 256;

/// Something that happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Handshake { peer: PublicKey, endpoint: SocketAddr },
    HandshakeFailed { peer: PublicKey },
    EndpointChanged { peer: PublicKey, endpoint: SocketAddr },
    Failed { message: String },
}

/// Sees what passes the sockets and the TUN. Never waits.
pub struct Witness {
    changed: Notify,
    seen: Mutex<Seen>,
    started: Instant,
    last_received: AtomicU64,
}

#[derive(Default)]
struct Seen {
    handshake_message: bool,
    sent: Vec<(Kind, Vec<u8>)>,
    lost: Option<String>,
}

impl Default for Witness {
    fn default() -> Self {
        Self {
            changed: Notify::new(),
            seen: Mutex::default(),
            started: Instant::now(),
            last_received: AtomicU64::new(0),
        }
    }
}

impl Witness {
    /// A datagram is about to be sent.
    pub fn sent(&self, datagram: &[u8]) {
        // Data, nearly always.
        if datagram.first().is_none_or(|&first| first > 2) {
            return;
        }
        let Some(kind @ (Kind::Initiation | Kind::Response)) = message::kind(datagram) else {
            return;
        };
        let mut seen = locked(&self.seen);
        if seen.sent.len() < SENT_MAX {
            seen.sent.push((kind, datagram.to_vec()));
        }
        drop(seen);
        self.changed.notify_one();
    }

    /// A handshake message came in, or a handshake may have completed.
    pub fn handshake_received(&self) {
        locked(&self.seen).handshake_message = true;
        self.changed.notify_one();
    }

    /// Datagrams came in.
    pub fn received(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_received.store(now, Ordering::Relaxed);
    }

    /// Whether everything received has long been dealt with.
    pub fn settled(&self) -> bool {
        let last = Duration::from_millis(self.last_received.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last) >= SETTLED
    }

    /// The TUN is gone.
    pub fn lost(&self, cause: &io::Error) {
        locked(&self.seen).lost.get_or_insert_with(|| cause.to_string());
        self.changed.notify_one();
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut *locked(&self.seen))
    }
}

/// What is remembered about peers, and what of it is news. Pure: told the time, does nothing by itself.
#[derive(Default)]
pub struct Tracker {
    peers: HashMap<PublicKey, Track>,
    /// Facts gathered before the last reset are void.
    generation: u64,
    hot_until: Option<Instant>,
}

struct Track {
    mark: ReceiverMark,
    /// Whether the peer wants a session kept up without traffic.
    keepalive: bool,
    endpoint: Option<SocketAddr>,
    /// When the session in use was made, as far as the engine's clock tells.
    session: Option<Instant>,
    latest_handshake: Option<SystemTime>,
    /// The last initiation that is neither answered nor counted as failed.
    pending: Option<Instant>,
    last_initiation: Option<Instant>,
}

impl Tracker {
    /// Follows the peers of `config` from now on.
    pub fn configure(&mut self, config: &Config) {
        self.generation += 1;
        let mut before = std::mem::take(&mut self.peers);
        for peer in &config.peers {
            let track = before.remove(&peer.public_key).unwrap_or_else(|| Track {
                mark: ReceiverMark::new(&peer.public_key),
                keepalive: false,
                endpoint: None,
                session: None,
                latest_handshake: None,
                pending: None,
                last_initiation: None,
            });
            let endpoint = peer.endpoint.or(track.endpoint);
            let keepalive = peer.keepalive.is_some();
            self.peers.insert(
                peer.public_key,
                Track {
                    keepalive,
                    endpoint,
                    ..track
                },
            );
        }
    }

    /// The sessions were dropped on purpose.
    pub fn forget_sessions(&mut self) {
        self.generation += 1;
        for track in self.peers.values_mut() {
            track.session = None;
            track.pending = None;
        }
    }

    /// The endpoint was set, which is no news.
    pub fn set_endpoint(&mut self, peer: &PublicKey, endpoint: SocketAddr) {
        self.generation += 1;
        if let Some(track) = self.peers.get_mut(peer)
            && track.endpoint.replace(endpoint) != Some(endpoint)
        {
            // Whoever is asked now has not had its time yet.
            track.pending = None;
        }
    }

    /// When the latest handshake with a peer completed, if one ever did.
    pub fn latest_handshake(&self, peer: &PublicKey) -> Option<SystemTime> {
        self.peers.get(peer)?.latest_handshake
    }

    /// A handshake message to someone was sent.
    fn sent(&mut self, kind: Kind, datagram: &[u8], now: Instant) {
        self.warm(now);
        if kind != Kind::Initiation {
            return;
        }
        if let Some(track) = self.peers.values_mut().find(|track| track.mark.is_on(datagram)) {
            // A second initiation does not give the first more time.
            track.pending.get_or_insert(now);
            track.last_initiation = Some(now);
        }
    }

    fn warm(&mut self, now: Instant) {
        self.hot_until = Some(now + HOT);
    }

    /// Compares the engine's facts with what was known.
    fn observe(&mut self, facts: &[PeerFacts], now: Instant, clock: SystemTime) -> Vec<Event> {
        let mut events = Vec::new();
        for fact in facts {
            let Some(track) = self.peers.get_mut(&fact.public_key) else {
                continue;
            };
            let peer = fact.public_key;
            let session = fact.session_age.and_then(|age| now.checked_sub(age));
            let completed = match (track.session, session) {
                (None, Some(_)) => true,
                (Some(before), Some(after)) => after.saturating_duration_since(before) >= SAME_HANDSHAKE,
                (_, None) => false,
            };
            if completed || session.is_none() {
                track.session = session;
            }
            let moved = fact.endpoint.filter(|_| fact.endpoint != track.endpoint);
            track.endpoint = fact.endpoint.or(track.endpoint);
            if completed {
                track.pending = None;
                track.latest_handshake = Some(clock);
                if let Some(endpoint) = track.endpoint {
                    events.push(Event::Handshake { peer, endpoint });
                }
            } else if let Some(endpoint) = moved {
                events.push(Event::EndpointChanged { peer, endpoint });
            }
        }
        for (&peer, track) in &mut self.peers {
            if track
                .pending
                .is_some_and(|since| now.saturating_duration_since(since) >= ANSWER)
            {
                // The engine repeats itself at about the same time: that one is next to be waited for.
                track.pending = track.last_initiation.filter(|&last| Some(last) != track.pending);
                events.push(Event::HandshakeFailed { peer });
            }
        }
        events
    }

    /// Peers without a session whose handshake the engine has given up, though they are to be kept up.
    fn given_up(&self, now: Instant) -> Vec<PublicKey> {
        let waits = |track: &&Track| {
            track.keepalive
                && track.endpoint.is_some()
                && track.session.is_none()
                && track.pending.is_none()
                && track
                    .last_initiation
                    .is_none_or(|last| now.saturating_duration_since(last) >= GIVEN_UP)
        };
        self.peers
            .iter()
            .filter(|(_, track)| waits(track))
            .map(|(&peer, _)| peer)
            .collect()
    }

    /// How long the facts may go unasked.
    fn pause(&self, now: Instant) -> Duration {
        if self.hot_until.is_some_and(|until| now < until) {
            return HOT_PERIOD;
        }
        let pending = self.peers.values().filter_map(|track| track.pending);
        match pending.map(|since| now.saturating_duration_since(since)).min() {
            Some(age) if age < FRESH => FRESH_PERIOD,
            Some(_) => PENDING_PERIOD,
            None => CALM_PERIOD,
        }
    }
}

/// Watches until the TUN is lost or the task is aborted.
pub async fn watch<E: Engine>(
    engine: Arc<E>,
    device: Arc<Device>,
    witness: Arc<Witness>,
    tracker: Arc<Mutex<Tracker>>,
    mtu: watch::Sender<u16>,
    tell: impl Fn(Event) + Send + Sync,
) {
    let mut asked = Instant::now();
    loop {
        let now = Instant::now();
        let pause = locked(&tracker).pause(now);
        tokio::select! {
            () = witness.changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        // However many messages come: not more often than when it is hot.
        let since = asked.elapsed();
        if since < HOT_PERIOD {
            tokio::time::sleep(HOT_PERIOD - since).await;
        }
        asked = Instant::now();

        let seen = witness.take();
        if let Some(cause) = seen.lost {
            return tell(Event::Failed {
                message: format!("interface {} is gone: {cause}", device.name()),
            });
        }
        let generation = {
            let mut tracker = locked(&tracker);
            for (kind, datagram) in &seen.sent {
                tracker.sent(*kind, datagram, asked);
            }
            if seen.handshake_message {
                tracker.warm(asked);
            }
            tracker.generation
        };
        let facts = engine.facts().await;
        let (events, given_up) = {
            let mut tracker = locked(&tracker);
            if tracker.generation != generation {
                continue;
            }
            let now = Instant::now();
            (
                tracker.observe(&facts, now, SystemTime::now()),
                tracker.given_up(now),
            )
        };
        events.into_iter().for_each(&tell);
        given_up.iter().for_each(|peer| engine.initiate(peer));
        if let Ok(current) = device.mtu() {
            mtu.send_if_modified(|known| std::mem::replace(known, current) != current);
        }
    }
}

/// Milliseconds since 1970.
pub fn unix_milliseconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_millis() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wireguard::config::Peer;
    use zeroize::Zeroizing;

    const PEER: PublicKey = [9; 32];

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn tracker(endpoint: Option<&str>, keepalive: Option<u16>) -> Tracker {
        let peer = Peer {
            public_key: PEER,
            preshared_key: None,
            allowed_ips: Vec::new(),
            endpoint: endpoint.map(at),
            keepalive,
        };
        let config = Config {
            private_key: Zeroizing::new([1; 32]),
            listen_port: None,
            fwmark: None,
            mtu: 1420,
            peers: vec![peer],
        };
        let mut tracker = Tracker::default();
        tracker.configure(&config);
        tracker
    }

    fn facts(endpoint: Option<&str>, session_age: Option<u64>) -> [PeerFacts; 1] {
        [PeerFacts {
            public_key: PEER,
            endpoint: endpoint.map(at),
            session_age: session_age.map(Duration::from_millis),
            received_bytes: 0,
            sent_bytes: 0,
        }]
    }

    /// An initiation as far as its first MAC goes.
    fn initiation() -> Vec<u8> {
        use blake2::digest::{KeyInit, Mac, consts::U16};
        use blake2::{Blake2s256, Blake2sMac, Digest};
        let mut datagram = vec![0u8; message::INITIATION_LENGTH];
        datagram[0] = 1;
        let key = Blake2s256::new()
            .chain_update(b"mac1----")
            .chain_update(PEER)
            .finalize();
        let mac = <Blake2sMac<U16> as KeyInit>::new_from_slice(&key)
            .expect("a key")
            .chain_update(&datagram[..116]);
        datagram[116..132].copy_from_slice(&mac.finalize().into_bytes());
        datagram
    }

    fn handshake(endpoint: &str) -> Event {
        Event::Handshake {
            peer: PEER,
            endpoint: at(endpoint),
        }
    }

    const HERE: &str = "192.0.2.1:1";
    const THERE: &str = "192.0.2.2:2";

    #[test]
    fn a_handshake_is_told_once() {
        let (start, clock) = (Instant::now() + Duration::from_secs(60), SystemTime::now());
        let mut tracker = tracker(Some(HERE), None);
        tracker.sent(Kind::Initiation, &initiation(), start);
        assert_eq!(tracker.observe(&facts(Some(HERE), None), start, clock), []);
        let later = start + Duration::from_millis(3);
        assert_eq!(
            tracker.observe(&facts(Some(HERE), Some(200)), later, clock),
            [handshake(HERE)]
        );
        assert_eq!(tracker.latest_handshake(&PEER), Some(clock));
        let much_later = later + Duration::from_secs(9);
        assert_eq!(
            tracker.observe(&facts(Some(HERE), Some(9203)), much_later, clock),
            []
        );
        assert_eq!(
            tracker.observe(&facts(Some(HERE), Some(10)), much_later, clock),
            [handshake(HERE)]
        );
    }

    #[test]
    fn an_unanswered_initiation_fails_after_five_seconds_and_each_repetition_too() {
        let (start, clock) = (Instant::now() + Duration::from_secs(60), SystemTime::now());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut tracker = tracker(Some(HERE), None);
        tracker.sent(Kind::Initiation, &initiation(), start);
        let none = facts(Some(HERE), None);
        assert_eq!(tracker.observe(&none, after(4999), clock), []);
        assert_eq!(
            tracker.observe(&none, after(5000), clock),
            [Event::HandshakeFailed { peer: PEER }]
        );
        assert_eq!(tracker.observe(&none, after(9000), clock), []);
        tracker.sent(Kind::Initiation, &initiation(), after(5200));
        assert_eq!(
            tracker.observe(&none, after(10_200), clock),
            [Event::HandshakeFailed { peer: PEER }]
        );
        // The repetition went out just before the first was counted as failed.
        tracker.sent(Kind::Initiation, &initiation(), after(10_300));
        tracker.sent(Kind::Initiation, &initiation(), after(15_299));
        assert_eq!(
            tracker.observe(&none, after(15_300), clock),
            [Event::HandshakeFailed { peer: PEER }]
        );
        assert_eq!(
            tracker.observe(&none, after(20_299), clock),
            [Event::HandshakeFailed { peer: PEER }]
        );
    }

    #[test]
    fn roaming_is_told_and_what_was_set_is_not() {
        let (now, clock) = (Instant::now() + Duration::from_secs(60), SystemTime::now());
        let mut tracker = tracker(Some(HERE), None);
        tracker.observe(&facts(Some(HERE), Some(0)), now, clock);
        let moved = Event::EndpointChanged {
            peer: PEER,
            endpoint: at(THERE),
        };
        assert_eq!(tracker.observe(&facts(Some(THERE), Some(0)), now, clock), [moved]);
        tracker.set_endpoint(&PEER, at(HERE));
        assert_eq!(tracker.observe(&facts(Some(HERE), Some(0)), now, clock), []);
    }

    #[test]
    fn dropped_sessions_make_the_next_handshake_news() {
        let (now, clock) = (Instant::now() + Duration::from_secs(60), SystemTime::now());
        let mut tracker = tracker(Some(HERE), None);
        tracker.observe(&facts(Some(HERE), Some(0)), now, clock);
        tracker.forget_sessions();
        assert_eq!(
            tracker.observe(&facts(Some(HERE), Some(0)), now, clock),
            [handshake(HERE)]
        );
    }

    #[test]
    fn only_peers_to_be_kept_up_are_revived() {
        let start = Instant::now() + Duration::from_secs(60);
        let later = start + GIVEN_UP;
        let mut kept = tracker(Some(HERE), Some(25));
        kept.sent(Kind::Initiation, &initiation(), start);
        kept.observe(&facts(Some(HERE), None), later, SystemTime::now());
        assert_eq!(kept.given_up(later), [PEER]);
        assert!(kept.given_up(start + Duration::from_secs(6)).is_empty());
        assert!(tracker(Some(HERE), None).given_up(later).is_empty());
        assert!(tracker(None, Some(25)).given_up(later).is_empty());
    }

    #[test]
    fn pauses_follow_what_is_under_way() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut tracker = tracker(Some(HERE), None);
        assert_eq!(tracker.pause(start), CALM_PERIOD);
        tracker.sent(Kind::Initiation, &initiation(), start);
        assert_eq!(tracker.pause(start), HOT_PERIOD);
        assert_eq!(tracker.pause(start + HOT), FRESH_PERIOD);
        assert_eq!(tracker.pause(start + FRESH), PENDING_PERIOD);
    }
}
