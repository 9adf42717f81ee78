//! The endpoint's thread: reads, flushes and ends connections. It never waits for JavaScript.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::admission::Reports;
use super::control;
use super::entry::{Delivered, Entry, Message};
use super::frames::Broken;
use super::outbox::Sent;
use super::shared::{Command, Shared};

/// Bytes read at once, from one connection before the next has its turn.
const READ: usize = 64 * 1024;
/// Time to read why one was refused; what is not read by then is lost.
const LINGER: Duration = Duration::from_millis(500);
const EVENTS: usize = 64;

const WAKE: u64 = 0;
const LISTENER: u64 = 1;
/// What shows that the listener was shut down, by another who holds it; accepting does not tell.
const SHUT: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// The thread's state.
pub struct Server<Emit: Fn(Message) -> bool> {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: OwnedFd,
    pub(super) epoll: OwnedFd,
    pub(super) emit: Emit,
    pub(super) entries: HashMap<u32, Entry>,
    buffer: Vec<u8>,
    pub(super) last: u32,
    pub(super) reports: Reports,
    /// No connection has a deadline before this; there may be none at it either.
    soonest: Option<Instant>,
    /// Set while accepting rests for want of descriptors.
    pub(super) accept_again: Option<Instant>,
}

/// What epoll says of a connection.
pub(super) fn line_token(id: u32) -> EventData {
    EventData::new_u64(u64::from(id) << 2 | 2)
}

/// What epoll says of a connection's process.
pub(super) fn process_token(id: u32) -> EventData {
    EventData::new_u64(u64::from(id) << 2 | 3)
}

/// Has epoll watch for connections.
fn listen(epoll: &OwnedFd, listener: &OwnedFd) -> io::Result<()> {
    let data = EventData::new_u64(LISTENER);
    Ok(epoll::add(
        epoll,
        listener,
        data,
        EventFlags::IN | EventFlags::RDHUP,
    )?)
}

impl<Emit: Fn(Message) -> bool> Server<Emit> {
    /// A server of `listener`; `emit` gives a message to JavaScript and never waits.
    pub fn new(shared: Arc<Shared>, listener: OwnedFd, emit: Emit) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, shared.wake(), EventData::new_u64(WAKE), EventFlags::IN)?;
        listen(&epoll, &listener)?;
        Ok(Self {
            shared,
            listener,
            epoll,
            emit,
            entries: HashMap::new(),
            buffer: vec![0; READ],
            last: 0,
            reports: Reports::new(Instant::now()),
            soonest: None,
            accept_again: None,
        })
    }

    /// Serves until it is told to stop.
    pub fn run(mut self) {
        if let Err(cause) = self.serve() {
            self.close_all("failed");
            (self.emit)(Message::Failed(cause.to_string()));
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            let timeout = self
                .next_deadline()
                .map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            for event in &events {
                let (token, flags) = (event.data.u64(), event.flags);
                let id = u32::try_from(token >> 2).unwrap_or(0);
                match token {
                    WAKE => {}
                    LISTENER if flags.intersects(SHUT) => {
                        return Err(io::Error::other("the listener was shut down"));
                    }
                    LISTENER => self.accept()?,
                    _ if token & 3 == 3 => self.process_ended(id),
                    _ => self.ready(id, flags),
                }
            }
            if self.obey() {
                return Ok(());
            }
            self.expire()?;
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.soonest, self.accept_again, self.reports.due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Remembers a deadline.
    pub(super) fn expect(&mut self, deadline: Option<Instant>) {
        self.soonest = [self.soonest, deadline].into_iter().flatten().min();
    }

    /// A number that no open connection has.
    pub(super) fn free_id(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.entries.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// A connection can be read or written, or is broken.
    fn ready(&mut self, id: u32, flags: EventFlags) {
        if self.end_refused(id) {
            return;
        }
        if flags.contains(EventFlags::OUT) {
            self.flush(id);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.read(id);
        }
    }

    /// What a process wrote before it ended is not worth waiting for: by the time it is read, nobody can say any
    /// more what the writer was.
    fn process_ended(&mut self, id: u32) {
        if !self.end_refused(id) {
            self.close(id, "peerExited");
        }
    }

    /// Ends a connection that waited only for its refusal to be read.
    fn end_refused(&mut self, id: u32) -> bool {
        let reason = self.entries.get_mut(&id).and_then(|entry| entry.refused.take());
        let Some(reason) = reason else { return false };
        self.close(id, &reason);
        true
    }

    fn flush(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.line.flush() {
            Sent::All | Sent::Overflow => entry.flushing = false,
            Sent::Waiting => entry.flushing = true,
            Sent::Broken => return self.close(id, "peerClosed"),
        }
        self.watch(id);
    }

    /// Reads and delivers once.
    fn read(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.paused || entry.line.is_closing() {
            return self.watch(id);
        }
        let received = match control::receive(entry.line.socket.as_fd(), &mut self.buffer) {
            Ok(received) => received,
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) =>
            {
                return self.watch(id);
            }
            Err(_) => return self.close(id, "peerClosed"),
        };
        if received.descriptors {
            return self.close(id, "unexpectedDescriptors");
        }
        if received.length == 0 {
            return self.close(id, "peerClosed");
        }
        let pinned = entry.line.peer.credentials;
        if !received
            .sender
            .is_some_and(|sender| sender.pid == pinned.pid && sender.uid == pinned.uid)
        {
            return self.close(id, "senderMismatch");
        }
        // The number is the pinned process's for as long as that lives. Since it lives now, after the read, whoever
        // wrote under it before was no other: a number used again cannot pass, and `SCM_PIDFD` (a descriptor made
        // and closed for every read, since Linux 6.5) could say nothing more.
        if entry.line.peer.has_ended() {
            return self.close(id, "peerExited");
        }
        match entry.take(&self.buffer[..received.length]) {
            Ok(()) => self.deliver(id),
            Err(reason) => self.close(id, reason),
        }
    }

    fn deliver(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let delivered = entry.deliver(&self.shared, &self.emit, self.shared.limits.handshake);
        let deadline = entry.deadline;
        match delivered {
            Delivered::Everything | Delivered::Paused => {
                self.expect(deadline);
                self.watch(id);
            }
            Delivered::Broken(Broken::Empty) => self.close(id, "emptyFrame"),
            Delivered::Broken(Broken::TooLarge) => self.close(id, "frameTooLarge"),
        }
    }

    /// Brings what epoll watches in line with what the connection waits for.
    fn watch(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let wanted = entry.wanted();
        if wanted == entry.watched {
            return;
        }
        let socket = &entry.line.socket;
        let changed = match (entry.watched, wanted) {
            (None, Some(flags)) => epoll::add(&self.epoll, socket, line_token(id), flags),
            (Some(_), Some(flags)) => epoll::modify(&self.epoll, socket, line_token(id), flags),
            (_, None) => epoll::delete(&self.epoll, socket),
        };
        entry.watched = wanted;
        if changed.is_err() {
            self.close(id, "peerClosed");
        }
    }

    /// Carries out what JavaScript asked for; true if the server is to stop.
    fn obey(&mut self) -> bool {
        for command in self.shared.take_commands() {
            match command {
                Command::Close(id, reason) => self.close(id, &reason),
                Command::Refuse(id, reason) => self.linger(id, reason),
                Command::Flush(id) => self.flush(id),
                Command::Resume(id) => {
                    let Some(entry) = self.entries.get_mut(&id) else {
                        continue;
                    };
                    entry.paused = false;
                    self.deliver(id);
                }
                Command::Stop => {
                    self.close_all("stopped");
                    return true;
                }
            }
        }
        false
    }

    pub(super) fn expire(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            listen(&self.epoll, &self.listener)?;
        }
        if let Some(refusal) = self.reports.take(now) {
            (self.emit)(Message::Refused(refusal));
        }
        if self.soonest.is_none_or(|at| at > now) {
            return Ok(());
        }
        let late = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.deadline.is_some_and(|at| at <= now));
        let late: Vec<(u32, bool)> = late.map(|(id, entry)| (*id, entry.greeted)).collect();
        for (id, greeted) in late {
            if !self.end_refused(id) {
                let reason = if greeted {
                    "frameTimeout"
                } else {
                    "handshakeTimeout"
                };
                self.close(id, reason);
            }
        }
        self.soonest = self.entries.values().filter_map(|entry| entry.deadline).min();
        Ok(())
    }

    /// Leaves a connection open for a moment so that its refusal is read. Closed at once with something unread, the
    /// other end could get a reset instead.
    fn linger(&mut self, id: u32, reason: String) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.line.finish();
        entry.refused = Some(reason);
        entry.deadline = Some(Instant::now() + LINGER);
        let deadline = entry.deadline;
        self.expect(deadline);
        self.watch(id);
    }

    fn close(&mut self, id: u32, reason: &str) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        // Closing a descriptor takes it out of epoll only when its last copy is gone, and JavaScript may hold one.
        if entry.watched.is_some() {
            let _ = epoll::delete(&self.epoll, &entry.line.socket);
        }
        // Likewise for as long as frames of it wait for JavaScript.
        let _ = epoll::delete(&self.epoll, &entry.line.peer.pidfd);
        entry.line.shut();
        self.shared.remove(id);
        (self.emit)(Message::Closed(id, reason.to_owned(), entry.slot));
    }

    fn close_all(&mut self, reason: &str) {
        for id in self.entries.keys().copied().collect::<Vec<u32>>() {
            self.close(id, reason);
        }
    }
}
