//! How a connection begins: a place for its uid first, then a look at its process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::control::{self, Credentials};
use super::entry::{Described, Entry, Message};
use super::frames::{self, Decoder};
use super::handshake::Greeting;
use super::line::Line;
use super::peer::{self, Unfit};
use super::server::{Server, line_token, process_token};

/// Connections accepted before others have their turn.
const ACCEPTS: usize = 16;
/// Without descriptors left there is no accepting; this long later there may be.
const RECOVERY: Duration = Duration::from_millis(100);

impl<Emit: Fn(Message) -> bool> Server<Emit> {
    /// Accepts what waits, up to a bound.
    pub fn accept(&mut self) -> io::Result<()> {
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
        let now = Instant::now();
        let shared = Arc::clone(&self.shared);
        let limits = &shared.limits;
        let Ok(credentials) = control::peer_credentials(socket.as_fd()) else {
            return;
        };
        let slot = match shared.take_slot(credentials.uid, now) {
            Ok(slot) => slot,
            Err(reason) => {
                if let Some(header) = frames::header(limits.busy.len()) {
                    let _ = control::send(socket.as_fd(), [&header, &limits.busy]);
                }
                return self.refuse(reason, credentials, now);
            }
        };
        // A listener of the service manager's was none of ours when the first clients connected to it.
        if control::prepare(&socket, limits.older_kernel).is_err() {
            return self.refuse("peerGone", credentials, now);
        }
        let peer = match peer::identify(socket.as_fd(), credentials, limits.older_kernel) {
            Ok(peer) => peer,
            Err(Unfit::Gone) => return self.refuse("peerGone", credentials, now),
            Err(Unfit::Hidden) => return self.refuse("foreignNamespace", credentials, now),
        };
        if limits.same_namespaces && !(peer.same_user_namespace && peer.same_pid_namespace) {
            return self.refuse("foreignNamespace", credentials, now);
        }
        let described = Box::new(Described::from(&peer));
        let (queued, frame, deadline) = (limits.queued, limits.frame, now + limits.handshake);
        let id = self.free_id();
        let line = Line::new(id, socket, peer, Arc::clone(&slot.share), queued);
        let watched = epoll::add(&self.epoll, &line.socket, line_token(id), EventFlags::IN)
            .and_then(|()| epoll::add(&self.epoll, &line.peer.pidfd, process_token(id), EventFlags::IN));
        if watched.is_err() {
            line.shut();
            return self.refuse("peerGone", credentials, now);
        }
        let entry = Entry {
            line: Arc::clone(&line),
            slot,
            greeting: Some(Greeting::default()),
            decoder: Decoder::new(frame),
            deadline: Some(deadline),
            greeted: false,
            paused: false,
            flushing: false,
            refused: None,
            watched: Some(EventFlags::IN),
        };
        self.entries.insert(id, entry);
        shared.add(line);
        self.expect(Some(deadline));
        (self.emit)(Message::Connection(id, described));
    }

    /// Tells of a connection that was turned away before it had a number.
    fn refuse(&mut self, reason: &'static str, who: Credentials, now: Instant) {
        if let Some(refusal) = self.reports.note(reason, who, now) {
            (self.emit)(Message::Refused(refusal));
        }
    }
}
