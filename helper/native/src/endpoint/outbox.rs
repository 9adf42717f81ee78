//! What a connection has yet to send.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::control;
use super::share::Share;

/// Memory that is kept although little waits: less is not worth a copy.
const SPARE: usize = 64 * 1024;

/// How an attempt to send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing is left.
    All,
    /// The rest waits until the other end reads.
    Waiting,
    /// More than a bound would wait, the connection's or its uid's: the other end does not read.
    Overflow,
    /// The connection is broken.
    Broken,
}

/// Bytes that did not fit into the socket, up to a bound. Their memory, not their number, is taken from the uid's
/// share: who reads all but a little of much must not keep the room of much.
#[derive(Debug)]
pub struct Outbox {
    limit: usize,
    share: Arc<Share>,
    bytes: VecDeque<u8>,
    /// Bytes taken from the share.
    taken: usize,
}

impl Outbox {
    /// An empty one that keeps at most `limit` bytes.
    pub fn new(limit: usize, share: Arc<Share>) -> Self {
        Self {
            limit,
            share,
            bytes: VecDeque::new(),
            taken: 0,
        }
    }

    /// Sends a frame behind what waits already.
    pub fn send(&mut self, socket: BorrowedFd<'_>, header: &[u8], payload: &[u8]) -> Sent {
        let total = header.len() + payload.len();
        let mut sent = 0;
        if self.bytes.is_empty() {
            match write(socket, [header, payload]) {
                Ok(count) => sent = count,
                Err(_) => return Sent::Broken,
            }
        }
        if sent == total {
            return Sent::All;
        }
        if !self.make_room(total - sent) {
            return Sent::Overflow;
        }
        self.bytes.extend(&header[sent.min(header.len())..]);
        self.bytes.extend(&payload[sent.saturating_sub(header.len())..]);
        Sent::Waiting
    }

    /// Sends what waits.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Sent {
        while !self.bytes.is_empty() {
            let (front, back) = self.bytes.as_slices();
            match write(socket, [front, back]) {
                Ok(0) => {
                    self.shrink();
                    return Sent::Waiting;
                }
                Ok(count) => drop(self.bytes.drain(..count)),
                Err(_) => return Sent::Broken,
            }
        }
        self.clear();
        Sent::All
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.bytes = VecDeque::new();
        self.share.give_back_bytes(self.taken);
        self.taken = 0;
    }

    /// Memory for `more` bytes; false if a bound forbids it.
    fn make_room(&mut self, more: usize) -> bool {
        let wanted = self.bytes.len() + more;
        if wanted > self.limit {
            return false;
        }
        if wanted > self.taken {
            // By doubling, so that many small frames do not cost a copy each.
            let room = wanted.max(self.taken * 2).min(self.limit);
            if !self.share.take_bytes(room - self.taken) {
                return false;
            }
            self.taken = room;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        true
    }

    /// Gives back memory that was for much more than waits now.
    fn shrink(&mut self) {
        let room = self.bytes.len() * 2;
        if self.taken > SPARE && self.taken / 2 > room {
            self.bytes.shrink_to(room);
            self.share.give_back_bytes(self.taken - room);
            self.taken = room;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How much the socket took; 0 when it is full.
fn write(socket: BorrowedFd<'_>, parts: [&[u8]; 2]) -> io::Result<usize> {
    loop {
        match control::send(socket, parts) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn outbox(limit: usize) -> Outbox {
        Outbox::new(limit, Arc::new(Share::new(1, limit)))
    }

    #[test]
    fn keeps_order_across_a_full_socket() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        theirs.set_nonblocking(true).expect("an option");
        let mut outbox = outbox(1 << 20);
        let mut expected: Vec<u8> = Vec::new();
        let mut outcome = Sent::All;
        for round in 0..100u8 {
            if outcome == Sent::Waiting && round > 60 {
                break;
            }
            let payload = vec![round; 5000];
            outcome = outbox.send(ours.as_fd(), &[0, 0, 0, round], &payload);
            expected.extend([0, 0, 0, round]);
            expected.extend(payload);
        }
        assert_eq!(outcome, Sent::Waiting);
        let mut got: Vec<u8> = Vec::new();
        let mut buffer = [0; 4096];
        while got.len() < expected.len() {
            match theirs.read(&mut buffer) {
                Ok(count) => got.extend(&buffer[..count]),
                Err(_) => assert_ne!(outbox.flush(ours.as_fd()), Sent::Broken),
            }
        }
        assert!(got == expected, "bytes in order");
        assert_eq!(outbox.flush(ours.as_fd()), Sent::All);
        assert_eq!(outbox.share.bytes(), 0);
    }

    #[test]
    fn bounded() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut outbox = outbox(10_000);
        let mut frames = 0;
        while outbox.send(ours.as_fd(), &[0; 4], &[7; 4000]) != Sent::Overflow {
            frames += 1;
            assert!(frames < 1000, "the bound must be met");
        }
        assert!(outbox.bytes.len() <= 10_000);
        drop(theirs);
        assert_eq!(outbox.flush(ours.as_fd()), Sent::Broken);
        let share = Arc::clone(&outbox.share);
        assert!(share.bytes() > 0);
        drop(outbox);
        assert_eq!(share.bytes(), 0);
    }

    /// Sends until one frame more would be too much.
    fn fill(outbox: &mut Outbox, socket: &UnixStream) {
        while outbox.send(socket.as_fd(), &[0; 4], &[7; 4000]) != Sent::Overflow {}
    }

    #[test]
    fn two_of_a_uid_share_a_bound() {
        let share = Arc::new(Share::new(1, 150_000));
        let mut outboxes = [(); 2].map(|()| Outbox::new(100_000, Arc::clone(&share)));
        let pairs = [(); 2].map(|()| UnixStream::pair().expect("a pair"));
        fill(&mut outboxes[0], &pairs[0].0);
        fill(&mut outboxes[1], &pairs[1].0);
        assert!(outboxes[0].bytes.len() > 90_000, "one alone has all of its own");
        assert!(outboxes[1].bytes.len() <= 50_000);
        assert!(share.bytes() <= 150_000);
        outboxes[0].clear();
        fill(&mut outboxes[1], &pairs[1].0);
        assert!(
            outboxes[1].bytes.len() > 90_000,
            "what one gave back is the other's"
        );
    }

    #[test]
    fn memory_is_what_is_counted_and_goes_with_what_was_read() {
        let share = Arc::new(Share::new(1, 4 << 20));
        let mut outbox = Outbox::new(4 << 20, Arc::clone(&share));
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        fill(&mut outbox, &ours);
        assert_eq!(share.bytes(), 4 << 20);
        assert!(outbox.bytes.capacity() <= share.bytes());
        let mut buffer = vec![0; 64 * 1024];
        while outbox.bytes.len() > 300_000 {
            assert!(theirs.read(&mut buffer).expect("bytes") > 0);
            assert_eq!(outbox.flush(ours.as_fd()), Sent::Waiting);
            assert!(outbox.bytes.capacity() <= share.bytes());
        }
        assert!(share.bytes() < 1_300_000, "{} bytes", share.bytes());
    }
}
