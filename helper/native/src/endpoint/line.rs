//! One connection as both threads see it, and the bounds on what waits for JavaScript.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::net::{Shutdown, shutdown};

use super::handshake::Nonce;
use super::outbox::{Outbox, Sent};
use super::peer::Peer;
use super::share::Share;
use super::shared::{Command, Shared};

/// Frames of one connection that may wait for JavaScript, before the batch that is added to them.
const FRAMES: usize = 64;

/// A lock that a panic elsewhere does not spoil.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
#[derive(Debug)]
pub struct Line {
    /// Its number, unique while the listener lives.
    pub id: u32,
    /// Non-blocking, shut down when the connection ends.
    pub socket: OwnedFd,
    /// The pinned process.
    pub peer: Peer,
    share: Arc<Share>,
    nonce: OnceLock<Nonce>,
    outbox: Mutex<Outbox>,
    closing: AtomicBool,
    paused: AtomicBool,
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

impl Line {
    /// A connection that may keep `queued` bytes to send, and takes them and frames to deliver from its uid's share.
    pub fn new(id: u32, socket: OwnedFd, peer: Peer, share: Arc<Share>, queued: usize) -> Arc<Self> {
        Arc::new(Self {
            id,
            socket,
            peer,
            nonce: OnceLock::new(),
            outbox: Mutex::new(Outbox::new(queued, Arc::clone(&share))),
            share,
            closing: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            frames: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        })
    }

    /// What its first frame must bring; none before it is released.
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonce.get()
    }

    /// Whether JavaScript has asked for its end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Makes its first frame have to bring a nonce; false if it has to bring one already.
    pub fn expect(&self, nonce: Nonce) -> bool {
        self.nonce.set(nonce).is_ok()
    }

    /// Lets nothing more be read or sent.
    pub fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Sends a frame behind what waits already.
    pub fn send(&self, header: &[u8], payload: &[u8]) -> Sent {
        lock(&self.outbox).send(self.socket.as_fd(), header, payload)
    }

    /// Sends what waits.
    pub fn flush(&self) -> Sent {
        lock(&self.outbox).flush(self.socket.as_fd())
    }

    /// Forgets what waits to be sent, of a connection that is closing.
    pub fn discard(&self) {
        lock(&self.outbox).clear();
    }

    /// Lets the other end see the end behind what was sent.
    pub fn finish(&self) {
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    /// Lets the other end know, even while frames of this connection still wait for JavaScript.
    pub fn shut(&self) {
        self.begin_closing();
        let _ = shutdown(&self.socket, Shutdown::Both);
        // Last: nothing can be kept for a socket that takes nothing any more.
        self.discard();
    }

    /// Whether JavaScript may be given another frame. If not, a [`Command::Resume`] will follow.
    pub fn may_deliver(&self, limit: usize) -> bool {
        if self.has_room(limit) {
            return self.share.may_take(self.id);
        }
        self.paused.store(true, Ordering::SeqCst);
        // JavaScript may have caught up before it could see that someone waits for it.
        self.has_room(limit) && self.paused.swap(false, Ordering::SeqCst) && self.share.may_take(self.id)
    }

    fn has_room(&self, limit: usize) -> bool {
        self.frames.load(Ordering::SeqCst) < FRAMES && self.bytes.load(Ordering::SeqCst) <= limit
    }
}

/// Frames on their way to JavaScript; dropped when JavaScript has them.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    line: Arc<Line>,
    frames: usize,
    bytes: usize,
}

impl Permit {
    /// Counts frames, of so many bytes together.
    pub fn new(shared: &Arc<Shared>, line: &Arc<Line>, frames: usize, bytes: usize) -> Self {
        line.frames.fetch_add(frames, Ordering::SeqCst);
        line.bytes.fetch_add(bytes, Ordering::SeqCst);
        line.share.take(frames);
        Self {
            shared: Arc::clone(shared),
            line: Arc::clone(line),
            frames,
            bytes,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.line.frames.fetch_sub(self.frames, Ordering::SeqCst);
        self.line.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if self.line.paused.swap(false, Ordering::SeqCst) {
            self.shared.command(Command::Resume(self.line.id));
        }
        self.line
            .share
            .give_back(self.frames, |id| self.shared.command(Command::Resume(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::tests::{line, shared};
    use super::*;

    #[test]
    fn frames_are_bounded_and_resume() {
        let shared = shared();
        let (line, _other) = line(7);
        let mut permits: Vec<Permit> = Vec::new();
        while line.may_deliver(100) {
            permits.push(Permit::new(&shared, &line, 1, 1));
        }
        assert_eq!(permits.len(), FRAMES);
        assert_eq!(shared.take_commands(), []);
        permits.pop();
        permits.pop();
        assert_eq!(shared.take_commands(), [Command::Resume(7)], "once");
        permits.clear();
        while line.may_deliver(100) {
            permits.push(Permit::new(&shared, &line, 16, 16));
        }
        assert_eq!(permits.len(), FRAMES / 16, "each frame of a batch counts");
        permits.clear();
        permits.push(Permit::new(&shared, &line, 1, 101));
        assert!(!line.may_deliver(100), "bytes count as well");
    }
}
