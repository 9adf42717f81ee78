//! The state of a listener: what JavaScript's thread and the endpoint's both reach.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, mem};

use super::admission::{Bounds, Places};
use super::frames;
use super::handshake::Nonce;
use super::line::{Line, lock};
use super::outbox::Sent;
use super::share::Share;

/// The bounds of a listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a payload.
    pub frame: usize,
    /// Connections, those counted whose end JavaScript has not heard of yet.
    pub places: Bounds,
    /// Payload for those who get no place; none if empty.
    pub busy: Vec<u8>,
    /// Bytes that may wait for one connection to read.
    pub queued: usize,
    /// From a frame's first byte, or from the beginning of the connection, to its last byte.
    pub handshake: Duration,
    /// Whether processes of other user and pid namespaces are turned away.
    pub same_namespaces: bool,
    /// Whether to do without what Linux 6.5 and 6.16 brought.
    pub older_kernel: bool,
}

/// What JavaScript's thread asks of the endpoint's.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Ends a connection for a reason.
    Close(u32, String),
    /// Ends a connection for a reason once the other end had time to read what was sent.
    Refuse(u32, String),
    /// JavaScript has caught up with a connection.
    Resume(u32),
    /// A connection has bytes waiting to be sent.
    Flush(u32),
    /// Ends everything.
    Stop,
}

/// The state of a listener.
#[derive(Debug)]
pub struct Shared {
    /// Its bounds.
    pub limits: Limits,
    wake: OwnedFd,
    commands: Mutex<Vec<Command>>,
    lines: Mutex<HashMap<u32, Arc<Line>>>,
    places: Mutex<Places>,
}

impl Shared {
    /// State without connections; `wake` is an eventfd that the endpoint's thread waits on.
    pub fn new(limits: Limits, wake: OwnedFd) -> Arc<Self> {
        Arc::new(Self {
            places: Mutex::new(Places::new(limits.places)),
            limits,
            wake,
            commands: Mutex::default(),
            lines: Mutex::default(),
        })
    }

    /// The eventfd to wait on.
    pub fn wake(&self) -> &OwnedFd {
        &self.wake
    }

    /// Asks something of the endpoint's thread.
    pub fn command(&self, command: Command) {
        lock(&self.commands).push(command);
        // Fails only when the counter is full, and then the thread is awake anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// What was asked since the last time.
    pub fn take_commands(&self) -> Vec<Command> {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        mem::take(&mut *lock(&self.commands))
    }

    /// A place for a connection of a uid, or why it gets none.
    pub fn take_slot(self: &Arc<Self>, uid: u32, now: Instant) -> Result<Slot, &'static str> {
        let share = lock(&self.places).take(uid, now)?;
        let shared = Arc::clone(self);
        Ok(Slot { shared, uid, share })
    }

    /// Makes a connection known to [`Self::send`] and [`Self::close`].
    pub fn add(&self, line: Arc<Line>) {
        lock(&self.lines).insert(line.id, line);
    }

    /// Forgets a connection.
    pub fn remove(&self, id: u32) {
        lock(&self.lines).remove(&id);
    }

    fn line(&self, id: u32) -> Option<Arc<Line>> {
        lock(&self.lines)
            .get(&id)
            .filter(|line| !line.is_closing())
            .cloned()
    }

    /// Sends a frame, or keeps it for later. False if the connection is gone or goes because it does not read.
    pub fn send(&self, id: u32, header: &[u8], payload: &[u8]) -> bool {
        let Some(line) = self.line(id) else { return false };
        let sent = line.send(header, payload);
        match sent {
            Sent::All => true,
            Sent::Waiting => {
                self.command(Command::Flush(id));
                true
            }
            Sent::Overflow => {
                self.close(id, "slowReader".into());
                false
            }
            Sent::Broken => {
                self.close(id, "peerClosed".into());
                false
            }
        }
    }

    /// Sends a connection its nonce, after which it may speak. False if it is gone, its process has ended, or it was
    /// released before.
    pub fn release(&self, id: u32) -> io::Result<bool> {
        let Some(line) = self.line(id) else {
            return Ok(false);
        };
        if line.peer.has_ended() {
            return Ok(false);
        }
        // Expected before it is sent: the endpoint's thread may see the echo before `send` returns.
        if !line.expect(Nonce::new()?) {
            return Ok(false);
        }
        let Some(nonce) = line.nonce() else {
            return Ok(false);
        };
        let (header, payload) = nonce.parts();
        Ok(self.send(id, header, payload))
    }

    /// Sends a last frame and ends a connection; nothing is read on it any more.
    pub fn refuse(&self, id: u32, payload: &[u8], reason: String) {
        let Some(line) = self.line(id) else { return };
        let header = frames::header(payload.len()).filter(|_| payload.len() <= self.limits.frame);
        if header.is_some_and(|header| self.send(id, &header, payload)) {
            line.begin_closing();
            self.command(Command::Refuse(id, reason));
        } else {
            self.close(id, reason);
        }
    }

    /// See [`Peer::is_unchanged`]; false if the connection is gone.
    pub fn is_unchanged(&self, id: u32) -> bool {
        self.line(id).is_some_and(|line| line.peer.is_unchanged())
    }

    /// Ends a connection; nothing is sent or read on it any more.
    pub fn close(&self, id: u32, reason: String) {
        if let Some(line) = self.line(id) {
            line.begin_closing();
            // At once, so that in the same turn another of its uid does not go for what this one kept.
            line.discard();
            self.command(Command::Close(id, reason));
        }
    }
}

/// A place among the connections, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    uid: u32,
    /// What its uid's connections together may have waiting.
    pub share: Arc<Share>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.shared.places).give_back(self.uid);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use rustix::event::{EventfdFlags, eventfd};

    use super::super::admission::Pace;
    use super::super::control::peer_credentials;
    use super::super::peer::identify;
    use super::*;

    pub fn shared() -> Arc<Shared> {
        let pace = Pace {
            burst: 100,
            interval: Duration::ZERO,
        };
        let limits = Limits {
            frame: 100,
            places: Bounds {
                connections: 2,
                per_uid: 2,
                pace,
                queued_per_uid: 1000,
                queued_of_root: 1000,
            },
            busy: Vec::new(),
            queued: 1000,
            handshake: Duration::from_secs(1),
            same_namespaces: false,
            older_kernel: false,
        };
        Shared::new(limits, eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd"))
    }

    pub fn line(id: u32) -> (Arc<Line>, UnixStream) {
        line_with(id, Arc::new(Share::new(usize::MAX, 1000)), 10)
    }

    fn line_with(id: u32, share: Arc<Share>, queued: usize) -> (Arc<Line>, UnixStream) {
        let (socket, other) = UnixStream::pair().expect("a pair");
        let credentials = peer_credentials(socket.as_fd()).expect("credentials");
        let peer = identify(socket.as_fd(), credentials, false).expect("a peer");
        (Line::new(id, socket.into(), peer, share, queued), other)
    }

    #[test]
    fn slots_come_back() {
        let shared = shared();
        let now = Instant::now();
        let slots = (shared.take_slot(0, now), shared.take_slot(1, now));
        assert!(slots.0.is_ok() && slots.1.is_ok());
        assert_eq!(shared.take_slot(0, now).err(), Some("tooManyConnections"));
        drop(slots);
        assert!(shared.take_slot(0, now).is_ok());
    }

    #[test]
    fn a_connection_is_released_once() {
        let shared = shared();
        let (line, mut other) = line(1);
        shared.add(Arc::clone(&line));
        assert!(line.nonce().is_none());
        assert!(shared.release(1).expect("a nonce"));
        let mut got = [0; 44];
        other.read_exact(&mut got).expect("a frame");
        let (header, payload) = line.nonce().expect("a nonce").parts();
        assert_eq!([header, payload].concat(), got);
        assert!(!shared.release(1).expect("no other nonce"));
        assert!(!shared.release(2).expect("no connection"));
        assert!(shared.is_unchanged(1) && !shared.is_unchanged(2));
    }

    #[test]
    fn a_refused_one_gets_a_last_frame_and_no_other() {
        let shared = shared();
        let (line, mut other) = line(1);
        shared.add(line);
        shared.refuse(1, b"no", "refused".into());
        assert!(!shared.send(1, &[0; 4], &[1]));
        assert!(!shared.release(1).expect("no nonce"));
        let mut got = [0; 6];
        other.read_exact(&mut got).expect("a frame");
        assert_eq!(&got, b"\0\0\0\x02no");
        assert_eq!(shared.take_commands(), [Command::Refuse(1, "refused".into())]);
    }

    #[test]
    fn nothing_is_sent_after_close() {
        let shared = shared();
        let (line, _other) = line(1);
        shared.add(line);
        assert!(shared.send(1, &[0; 4], &[1]));
        shared.close(1, "over".into());
        shared.close(1, "twice".into());
        assert!(!shared.send(1, &[0; 4], &[1]));
        assert!(!shared.send(2, &[0; 4], &[1]));
        assert_eq!(shared.take_commands(), [Command::Close(1, "over".into())]);
    }

    #[test]
    fn what_waited_is_free_however_a_connection_ends() {
        let shared = shared();
        let share = Arc::new(Share::new(1, 1 << 20));
        let fill = |id| {
            let (line, other) = line_with(id, Arc::clone(&share), 1 << 20);
            shared.add(Arc::clone(&line));
            while share.bytes() < 100_000 {
                assert!(shared.send(id, &[], &[1; 10_000]));
            }
            (line, other)
        };
        let (line, _other) = fill(1);
        shared.close(1, "over".into());
        assert_eq!(share.bytes(), 0);
        assert_eq!(
            line.send(&[], &[1]),
            Sent::Waiting,
            "the socket is as full as before"
        );
        line.shut();
        assert_eq!(share.bytes(), 0);
        assert_eq!(line.send(&[], &[1]), Sent::Broken);
        assert_eq!(share.bytes(), 0);

        let (line, _other) = fill(2);
        assert!(!shared.send(2, &[], &vec![1; 1 << 20]));
        assert_eq!(share.bytes(), 0, "a slow reader's");
        drop(line);

        let (line, other) = fill(3);
        drop(other);
        assert_eq!(line.flush(), Sent::Broken);
        line.shut();
        assert_eq!(share.bytes(), 0, "one that is gone");
    }
}
