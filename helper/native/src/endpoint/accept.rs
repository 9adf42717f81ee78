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

/// What is to be done about an error of accept(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// None: nobody waits.
    Wait,
    /// The next try, at once.
    Again,
    /// The next one: this connection is lost.
    Next,
    /// A pause, because whoever waits goes on waiting.
    Rest(&'static str),
    /// No other: the listener itself is no good.
    Fail,
}

/// Only what says that the listener is none ends it. Who waits there does not choose what a security module or the
/// kernel answers, but may cause it, and must not end the endpoint for everybody.
fn remedy(cause: Errno) -> Remedy {
    match cause {
        Errno::AGAIN => Remedy::Wait,
        Errno::INTR => Remedy::Again,
        // accept(2): "already-pending network errors on the new socket".
        Errno::CONNABORTED
        | Errno::PROTO
        | Errno::NETDOWN
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::NONET
        | Errno::HOSTUNREACH
        | Errno::NETUNREACH => Remedy::Next,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Remedy::Rest("noResources"),
        // A security module asks before the kernel takes the connection off the queue.
        Errno::ACCESS | Errno::PERM => Remedy::Rest("acceptDenied"),
        Errno::BADF | Errno::NOTSOCK | Errno::INVAL | Errno::OPNOTSUPP | Errno::FAULT => Remedy::Fail,
        _ => Remedy::Rest("acceptFailed"),
    }
}

impl<Emit: Fn(Message) -> bool> Server<Emit> {
    /// Accepts what waits, up to a bound.
    pub fn accept(&mut self) -> io::Result<()> {
        let mut lost = 0;
        for _ in 0..ACCEPTS {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => self.admit(socket),
                Err(cause) => match remedy(cause) {
                    Remedy::Wait => return Ok(()),
                    Remedy::Again => {}
                    Remedy::Next => {
                        lost += 1;
                        self.refuse("peerGone", None, Instant::now());
                    }
                    Remedy::Rest(reason) => return self.rest(reason),
                    Remedy::Fail => return Err(cause.into()),
                },
            }
        }
        // Were nothing taken off the queue by that, it would go on forever.
        if lost == ACCEPTS {
            return self.rest("acceptFailed");
        }
        Ok(())
    }

    /// Leaves accepting for a moment; those who wait go on waiting.
    fn rest(&mut self, reason: &'static str) -> io::Result<()> {
        let now = Instant::now();
        epoll::delete(&self.epoll, &self.listener)?;
        self.accept_again = Some(now + RECOVERY);
        self.refuse(reason, None, now);
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
                return self.refuse(reason, Some(credentials), now);
            }
        };
        // A listener of the service manager's was none of ours when the first clients connected to it.
        if control::prepare(&socket, limits.older_kernel).is_err() {
            return self.refuse("peerGone", Some(credentials), now);
        }
        let peer = match peer::identify(socket.as_fd(), credentials, limits.older_kernel) {
            Ok(peer) => peer,
            Err(Unfit::Gone) => return self.refuse("peerGone", Some(credentials), now),
            Err(Unfit::Hidden) => return self.refuse("foreignNamespace", Some(credentials), now),
        };
        if limits.same_namespaces && !(peer.same_user_namespace && peer.same_pid_namespace) {
            return self.refuse("foreignNamespace", Some(credentials), now);
        }
        let described = Box::new(Described::from(&peer));
        let (queued, frame, deadline) = (limits.queued, limits.frame, now + limits.handshake);
        let id = self.free_id();
        let line = Line::new(id, socket, peer, Arc::clone(&slot.share), queued);
        let watched = epoll::add(&self.epoll, &line.socket, line_token(id), EventFlags::IN)
            .and_then(|()| epoll::add(&self.epoll, &line.peer.pidfd, process_token(id), EventFlags::IN));
        if watched.is_err() {
            line.shut();
            return self.refuse("peerGone", Some(credentials), now);
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

    /// Tells of a connection that was turned away before it had a number, or that could not be accepted.
    fn refuse(&mut self, reason: &'static str, who: Option<Credentials>, now: Instant) {
        if let Some(refusal) = self.reports.note(reason, who, now) {
            (self.emit)(Message::Refused(refusal));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    use std::thread;

    use rustix::net::{Shutdown, shutdown};

    use super::super::shared::Command;
    use super::super::shared::tests::shared;
    use super::*;

    /// A listener without a file, and its address.
    fn listener(name: &str) -> (OwnedFd, SocketAddr) {
        let name = format!("sallyport-accept-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).expect("an address");
        let listener = UnixListener::bind_addr(&address).expect("a listener");
        listener.set_nonblocking(true).expect("an option");
        (listener.into(), address)
    }

    #[test]
    fn only_what_says_that_there_is_no_listener_ends_it() {
        let all = (1..134).map(Errno::from_raw_os_error);
        let fatal: Vec<Errno> = all.filter(|cause| remedy(*cause) == Remedy::Fail).collect();
        let expected = [
            Errno::BADF,
            Errno::FAULT,
            Errno::INVAL,
            Errno::NOTSOCK,
            Errno::OPNOTSUPP,
        ];
        assert_eq!(fatal, expected);
        assert_eq!(remedy(Errno::PROTO), Remedy::Next);
        assert_eq!(remedy(Errno::ACCESS), Remedy::Rest("acceptDenied"));
        assert_eq!(remedy(Errno::IO), Remedy::Rest("acceptFailed"));
    }

    #[test]
    fn after_a_rest_those_who_wait_are_accepted() {
        let (socket, address) = listener("rest");
        let messages = RefCell::new(Vec::new());
        let emit = |message| {
            messages.borrow_mut().push(message);
            true
        };
        let mut server = Server::new(shared(), socket, emit).expect("a server");
        let _client = UnixStream::connect_addr(&address).expect("a connection");
        server.rest("acceptDenied").expect("a rest");
        assert!(matches!(
            messages.borrow_mut().pop(),
            Some(Message::Refused(refusal)) if refusal.reason == "acceptDenied" && refusal.who.is_none()
        ));
        server.expire().expect("too early");
        assert!(server.accept_again.is_some());
        thread::sleep(RECOVERY);
        server.expire().expect("the listener is watched again");
        assert!(server.accept_again.is_none());
        server.accept().expect("a listener");
        assert!(matches!(
            messages.borrow_mut().pop(),
            Some(Message::Connection(1, _))
        ));
    }

    #[test]
    fn a_listener_that_was_shut_down_is_a_failure() {
        for (name, how) in [("shut", Shutdown::Both), ("shut-for-reading", Shutdown::Read)] {
            let (socket, _address) = listener(name);
            shutdown(&socket, how).expect("shut down");
            let messages = RefCell::new(Vec::new());
            let emit = |message| {
                messages.borrow_mut().push(message);
                true
            };
            let shared = shared();
            shared.command(Command::Stop);
            Server::new(shared, socket, emit).expect("a server").run();
            assert!(matches!(&messages.borrow()[..], [Message::Failed(_)]), "{name}");
        }
    }
}
