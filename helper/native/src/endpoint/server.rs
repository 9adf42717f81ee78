//! The endpoint's thread: accepts, reads, flushes and ends connections. It never waits for JavaScript.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::control::{self, Credentials};
use super::entry::{Delivered, Described, Entry, Message};
use super::frames::{Broken, Decoder};
use super::line::{Command, Line, Shared};
use super::outbox::Sent;
use super::peer::{self, Unfit};

/// Bytes read at once, from one connection before the next has its turn.
const READ: usize = 64 * 1024;
/// Connections accepted before others have their turn.
const ACCEPTS: usize = 16;
/// Without descriptors left there is no accepting; this long later there may be.
const RECOVERY: Duration = Duration::from_millis(100);
const EVENTS: usize = 64;

const WAKE: u64 = 0;
const LISTENER: u64 = 1;

/// The thread's state.
pub struct Server<Emit: Fn(Message) -> bool> {
    shared: Arc<Shared>,
    listener: OwnedFd,
    epoll: OwnedFd,
    emit: Emit,
    entries: HashMap<u32, Entry>,
    buffer: Vec<u8>,
    last: u32,
    /// Set while accepting rests for want of descriptors.
    accept_again: Option<Instant>,
}

fn line_token(id: u32) -> EventData {
    EventData::new_u64(u64::from(id) << 2 | 2)
}

fn process_token(id: u32) -> EventData {
    EventData::new_u64(u64::from(id) << 2 | 3)
}

impl<Emit: Fn(Message) -> bool> Server<Emit> {
    /// A server of `listener`; `emit` gives a message to JavaScript and never waits.
    pub fn new(shared: Arc<Shared>, listener: OwnedFd, emit: Emit) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, shared.wake(), EventData::new_u64(WAKE), EventFlags::IN)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self {
            shared,
            listener,
            epoll,
            emit,
            entries: HashMap::new(),
            buffer: vec![0; READ],
            last: 0,
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
        self.entries
            .values()
            .filter_map(|entry| entry.deadline)
            .chain(self.accept_again)
            .min()
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTS {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => self.admit(socket),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    epoll::delete(&self.epoll, &self.listener)?;
                    self.accept_again = Some(Instant::now() + RECOVERY);
                    return Ok(());
                }
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(())
    }

    fn admit(&mut self, socket: OwnedFd) {
        let Some(slot) = self.shared.take_slot() else {
            if let Ok(credentials) = control::peer_credentials(socket.as_fd()) {
                self.refuse("tooManyConnections", credentials);
            }
            return;
        };
        let peer = match peer::identify(socket.as_fd()) {
            Ok(peer) => peer,
            Err((Unfit::Gone, credentials)) => return self.refuse("peerGone", credentials),
            Err((Unfit::Hidden, credentials)) => return self.refuse("foreignNamespace", credentials),
        };
        if self.shared.limits.same_namespaces && !(peer.same_user_namespace && peer.same_pid_namespace) {
            return self.refuse("foreignNamespace", peer.credentials);
        }
        let id = self.free_id();
        let line = Line::new(id, socket, self.shared.limits.queued);
        let described = Box::new(Described::from(&peer));
        let mut entry = Entry {
            line: Arc::clone(&line),
            slot,
            peer,
            decoder: Decoder::new(self.shared.limits.frame),
            deadline: Some(Instant::now() + self.shared.limits.handshake),
            greeted: false,
            paused: false,
            flushing: false,
            ended: false,
            watched: Some(EventFlags::IN),
        };
        let watched = epoll::add(&self.epoll, &line.socket, line_token(id), EventFlags::IN)
            .and_then(|()| epoll::add(&self.epoll, &entry.peer.pidfd, process_token(id), EventFlags::IN));
        if watched.is_err() {
            entry.line.shut();
            return self.refuse("peerGone", entry.peer.credentials);
        }
        entry.watched = Some(EventFlags::IN);
        self.entries.insert(id, entry);
        self.shared.add(line);
        (self.emit)(Message::Connection(id, described));
    }

    fn free_id(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.entries.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    fn refuse(&self, reason: &'static str, credentials: Credentials) {
        if let Some(refusal) = self.shared.take_refusal() {
            (self.emit)(Message::Refused(reason, credentials, refusal));
        }
    }

    /// A connection can be read or written, or is broken.
    fn ready(&mut self, id: u32, flags: EventFlags) {
        if flags.contains(EventFlags::OUT) {
            self.flush(id);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.read(id);
        }
    }

    fn process_ended(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.ended = true;
        let _ = epoll::delete(&self.epoll, &entry.peer.pidfd);
        self.read(id);
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

    /// Reads and delivers once; of a process that has ended, everything that is left.
    fn read(&mut self, id: u32) {
        loop {
            let Some(entry) = self.entries.get_mut(&id) else {
                return;
            };
            if entry.paused || entry.line.is_closing() {
                return self.watch(id);
            }
            let received = match control::receive(entry.line.socket.as_fd(), &mut self.buffer) {
                Ok(received) => received,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock && entry.ended => {
                    // Whoever still holds the other end is not who connected.
                    return self.close(id, "peerExited");
                }
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return self.watch(id),
                Err(_) => return self.close(id, "peerClosed"),
            };
            if received.descriptors {
                return self.close(id, "unexpectedDescriptors");
            }
            if received.length == 0 {
                return self.close(id, "peerClosed");
            }
            let pinned = entry.peer.credentials;
            if !received
                .sender
                .is_some_and(|sender| sender.pid == pinned.pid && sender.uid == pinned.uid)
            {
                return self.close(id, "senderMismatch");
            }
            entry.decoder.feed(&self.buffer[..received.length]);
            self.deliver(id);
            if !self.entries.get(&id).is_some_and(|entry| entry.ended) {
                return;
            }
        }
    }

    fn deliver(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.deliver(&self.shared, &self.emit, self.shared.limits.handshake) {
            Delivered::Everything | Delivered::Paused => self.watch(id),
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
                Command::Flush(id) => self.flush(id),
                Command::Resume(id) => {
                    let Some(entry) = self.entries.get_mut(&id) else {
                        continue;
                    };
                    entry.paused = false;
                    let ended = entry.ended;
                    self.deliver(id);
                    if ended {
                        self.read(id);
                    }
                }
                Command::Stop => {
                    self.close_all("stopped");
                    return true;
                }
            }
        }
        false
    }

    fn expire(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            epoll::add(
                &self.epoll,
                &self.listener,
                EventData::new_u64(LISTENER),
                EventFlags::IN,
            )?;
        }
        let late = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.deadline.is_some_and(|at| at <= now));
        let late: Vec<(u32, bool)> = late.map(|(id, entry)| (*id, entry.greeted)).collect();
        for (id, greeted) in late {
            self.close(
                id,
                if greeted {
                    "frameTimeout"
                } else {
                    "handshakeTimeout"
                },
            );
        }
        Ok(())
    }

    fn close(&mut self, id: u32, reason: &str) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        // Closing a descriptor takes it out of epoll only when its last copy is gone, and JavaScript may hold one.
        if entry.watched.is_some() {
            let _ = epoll::delete(&self.epoll, &entry.line.socket);
        }
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
