//! What the thread of the endpoint and the thread of JavaScript share: connections, and the bounds on both.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};

use super::outbox::{Outbox, Sent};

/// Frames of one connection that may wait for JavaScript.
const FRAMES: usize = 64;
/// Refusals that may wait for JavaScript; more are not reported.
const REFUSALS: usize = 16;

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a payload.
    pub frame: usize,
    /// Connections at once, those counted whose end JavaScript has not heard of yet.
    pub connections: usize,
    /// Bytes that may wait for one connection to read.
    pub queued: usize,
    /// From a frame's first byte, or from the beginning of the connection, to its last byte.
    pub handshake: Duration,
    /// Whether processes of other user and pid namespaces are turned away.
    pub same_namespaces: bool,
}

/// What JavaScript's thread asks of the endpoint's.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Ends a connection for a reason.
    Close(u32, String),
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
    taken: AtomicUsize,
    refusals: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// State without connections; `wake` is an eventfd that the endpoint's thread waits on.
    pub fn new(limits: Limits, wake: OwnedFd) -> Arc<Self> {
        Arc::new(Self {
            limits,
            wake,
            commands: Mutex::default(),
            lines: Mutex::default(),
            taken: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
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
        std::mem::take(&mut *lock(&self.commands))
    }

    /// A connection's place, if there is one left.
    pub fn take_slot(self: &Arc<Self>) -> Option<Slot> {
        let limit = self.limits.connections;
        let grow = |taken| (taken < limit).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, grow)
            .ok()?;
        Some(Slot(Arc::clone(self)))
    }

    /// Leave to report a refusal, unless many wait already.
    pub fn take_refusal(self: &Arc<Self>) -> Option<Refusal> {
        let grow = |waiting| (waiting < REFUSALS).then_some(waiting + 1);
        self.refusals
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, grow)
            .ok()?;
        Some(Refusal(Arc::clone(self)))
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
            .filter(|line| !line.closing.load(Ordering::Acquire))
            .cloned()
    }

    /// Sends a frame, or keeps it for later. False if the connection is gone or goes because it does not read.
    pub fn send(&self, id: u32, header: &[u8], payload: &[u8]) -> bool {
        let Some(line) = self.line(id) else { return false };
        let sent = lock(&line.outbox).send(line.socket.as_fd(), header, payload);
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

    /// Ends a connection; nothing is sent or read on it any more.
    pub fn close(&self, id: u32, reason: String) {
        if let Some(line) = self.line(id) {
            line.closing.store(true, Ordering::Release);
            self.command(Command::Close(id, reason));
        }
    }
}

/// A place among the connections, free again when dropped.
#[derive(Debug)]
pub struct Slot(Arc<Shared>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A refusal on its way to JavaScript.
#[derive(Debug)]
pub struct Refusal(Arc<Shared>);

impl Drop for Refusal {
    fn drop(&mut self) {
        self.0.refusals.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One connection.
#[derive(Debug)]
pub struct Line {
    /// Its number, unique while the listener lives.
    pub id: u32,
    /// Non-blocking, shut down when the connection ends.
    pub socket: OwnedFd,
    outbox: Mutex<Outbox>,
    closing: AtomicBool,
    paused: AtomicBool,
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

impl Line {
    /// A connection that may keep `queued` bytes to send.
    pub fn new(id: u32, socket: OwnedFd, queued: usize) -> Arc<Self> {
        Arc::new(Self {
            id,
            socket,
            outbox: Mutex::new(Outbox::new(queued)),
            closing: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            frames: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        })
    }

    /// Whether JavaScript has asked for its end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Sends what waits.
    pub fn flush(&self) -> Sent {
        lock(&self.outbox).flush(self.socket.as_fd())
    }

    /// Lets the other end know, even while frames of this connection still wait for JavaScript.
    pub fn shut(&self) {
        self.closing.store(true, Ordering::Release);
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    /// Whether JavaScript may be given another frame. If not, a [`Command::Resume`] will follow.
    pub fn may_deliver(&self, limit: usize) -> bool {
        if self.has_room(limit) {
            return true;
        }
        self.paused.store(true, Ordering::SeqCst);
        // JavaScript may have caught up before it could see that someone waits for it.
        self.has_room(limit) && self.paused.swap(false, Ordering::SeqCst)
    }

    fn has_room(&self, limit: usize) -> bool {
        self.frames.load(Ordering::SeqCst) < FRAMES && self.bytes.load(Ordering::SeqCst) <= limit
    }
}

/// A frame on its way to JavaScript; dropped when JavaScript has it.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    line: Arc<Line>,
    length: usize,
}

impl Permit {
    /// Counts a frame of `length` bytes.
    pub fn new(shared: &Arc<Shared>, line: &Arc<Line>, length: usize) -> Self {
        line.frames.fetch_add(1, Ordering::SeqCst);
        line.bytes.fetch_add(length, Ordering::SeqCst);
        Self {
            shared: Arc::clone(shared),
            line: Arc::clone(line),
            length,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.line.frames.fetch_sub(1, Ordering::SeqCst);
        self.line.bytes.fetch_sub(self.length, Ordering::SeqCst);
        if self.line.paused.swap(false, Ordering::SeqCst) {
            self.shared.command(Command::Resume(self.line.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn shared() -> Arc<Shared> {
        let limits = Limits {
            frame: 100,
            connections: 2,
            queued: 1000,
            handshake: Duration::from_secs(1),
            same_namespaces: false,
        };
        Shared::new(limits, eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd"))
    }

    #[test]
    fn frames_are_bounded_and_resume() {
        let shared = shared();
        let (socket, _other) = UnixStream::pair().expect("a pair");
        let line = Line::new(7, socket.into(), 10);
        let mut permits: Vec<Permit> = Vec::new();
        while line.may_deliver(100) {
            permits.push(Permit::new(&shared, &line, 1));
        }
        assert_eq!(permits.len(), FRAMES);
        assert_eq!(shared.take_commands(), []);
        permits.pop();
        permits.pop();
        assert_eq!(shared.take_commands(), [Command::Resume(7)], "once");
        permits.clear();
        permits.push(Permit::new(&shared, &line, 101));
        assert!(!line.may_deliver(100), "bytes count as well");
    }

    #[test]
    fn slots_and_refusals_are_bounded() {
        let shared = shared();
        let slots = (shared.take_slot(), shared.take_slot());
        assert!(slots.0.is_some() && slots.1.is_some());
        assert!(shared.take_slot().is_none());
        drop(slots);
        assert!(shared.take_slot().is_some());
        let refusals: Vec<Refusal> = std::iter::from_fn(|| shared.take_refusal()).collect();
        assert_eq!(refusals.len(), REFUSALS);
    }

    #[test]
    fn nothing_is_sent_after_close() {
        let shared = shared();
        let (socket, _other) = UnixStream::pair().expect("a pair");
        shared.add(Line::new(1, socket.into(), 10));
        assert!(shared.send(1, &[0; 4], &[1]));
        shared.close(1, "over".into());
        shared.close(1, "twice".into());
        assert!(!shared.send(1, &[0; 4], &[1]));
        assert!(!shared.send(2, &[0; 4], &[1]));
        assert_eq!(shared.take_commands(), [Command::Close(1, "over".into())]);
    }
}
