//! One connection as the endpoint's thread sees it, and what the thread tells JavaScript.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::admission::Refusal;
use super::control::Credentials;
use super::frames::{Broken, Decoder};
use super::handshake::Greeting;
use super::line::{Line, Permit};
use super::peer::{self, Peer};
use super::shared::{Shared, Slot};

/// Frames that are handed over in one call: each call wakes JavaScript's thread.
const BATCH: usize = 16;

/// What the endpoint tells JavaScript.
#[derive(Debug)]
pub enum Message {
    /// A connection is open; its process is pinned.
    Connection(u32, Box<Described>),
    /// Payloads, in order; the permit is dropped when JavaScript has them.
    Frames(u32, Vec<Vec<u8>>, Permit),
    /// A connection's last word.
    Closed(u32, String, Slot),
    /// A connection was turned away before it had a number.
    Refused(Refusal),
    /// The thread ends; no connection is left.
    Failed(String),
}

/// A peer without its descriptor.
#[derive(Clone, Debug)]
pub struct Described {
    /// As of `connect`.
    pub credentials: Credentials,
    /// What it runs, or why that is not known.
    pub executable: Result<peer::Executable, String>,
    /// See [`Peer`].
    pub same_user_namespace: bool,
    /// See [`Peer`].
    pub same_pid_namespace: bool,
    /// See [`Peer`].
    pub start_time: Option<u64>,
}

impl From<&Peer> for Described {
    fn from(peer: &Peer) -> Self {
        Self {
            credentials: peer.credentials,
            executable: peer.executable.clone(),
            same_user_namespace: peer.same_user_namespace,
            same_pid_namespace: peer.same_pid_namespace,
            start_time: peer.start_time,
        }
    }
}

/// A connection as the thread sees it.
pub struct Entry {
    /// What JavaScript's thread shares.
    pub line: Arc<Line>,
    /// Its place among the connections.
    pub slot: Slot,
    /// The first frame until it was found to be the nonce; none after that.
    pub greeting: Option<Greeting>,
    /// Bytes that are no frame yet.
    pub decoder: Decoder,
    /// When the frame that is on its way must be complete, or the end come.
    pub deadline: Option<Instant>,
    /// Whether a frame for JavaScript has ever been complete.
    pub greeted: bool,
    /// JavaScript has not caught up.
    pub paused: bool,
    /// Bytes wait until the other end reads.
    pub flushing: bool,
    /// The connection was refused for this reason: it waits for the other end to read that, and reads nothing.
    pub refused: Option<String>,
    /// What epoll watches for; `None` when it does not watch.
    pub watched: Option<EventFlags>,
}

/// How delivering went.
pub enum Delivered {
    /// No whole frame is left.
    Everything,
    /// JavaScript has not caught up; a resumption will follow.
    Paused,
    /// The stream cannot go on.
    Broken(Broken),
}

impl Entry {
    /// What epoll should watch for.
    pub fn wanted(&self) -> Option<EventFlags> {
        if self.refused.is_some() {
            return Some(EventFlags::RDHUP);
        }
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, !self.paused);
        flags.set(EventFlags::OUT, self.flushing);
        // Watched for nothing it would still report a hang-up, again and again.
        (!flags.is_empty()).then_some(flags)
    }

    /// Takes what the pinned process wrote, or says why the connection must end.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let rest = match &mut self.greeting {
            None => bytes,
            Some(greeting) => {
                let nonce = self.line.nonce().ok_or("prematureFrame")?;
                match greeting.feed(bytes, nonce).map_err(|_| "wrongNonce")? {
                    None => return Ok(()),
                    Some(rest) => {
                        self.greeting = None;
                        rest
                    }
                }
            }
        };
        self.decoder.feed(rest);
        Ok(())
    }

    /// Hands complete frames to JavaScript as far as it keeps up.
    pub fn deliver(
        &mut self,
        shared: &Arc<Shared>,
        emit: &dyn Fn(Message) -> bool,
        limit: Duration,
    ) -> Delivered {
        loop {
            if self.line.is_closing() {
                return Delivered::Paused;
            }
            if !self.line.may_deliver(shared.limits.frame) {
                self.paused = true;
                self.deadline = None;
                return Delivered::Paused;
            }
            let (payloads, end) = self.batch();
            if !payloads.is_empty() {
                self.greeted = true;
                self.deadline = None;
                let bytes = payloads.iter().map(Vec::len).sum();
                let permit = Permit::new(shared, &self.line, payloads.len(), bytes);
                emit(Message::Frames(self.line.id, payloads, permit));
            }
            match end {
                Err(broken) => return Delivered::Broken(broken),
                Ok(true) => {
                    if self.decoder.is_amid() {
                        self.deadline.get_or_insert_with(|| Instant::now() + limit);
                    }
                    return Delivered::Everything;
                }
                Ok(false) => {}
            }
        }
    }

    /// Whole frames that are here, up to a batch, and whether they are all.
    fn batch(&mut self) -> (Vec<Vec<u8>>, Result<bool, Broken>) {
        let mut payloads = Vec::new();
        while payloads.len() < BATCH {
            match self.decoder.next() {
                Ok(Some(payload)) => payloads.push(payload),
                Ok(None) => return (payloads, Ok(true)),
                Err(broken) => return (payloads, Err(broken)),
            }
        }
        (payloads, Ok(false))
    }
}
