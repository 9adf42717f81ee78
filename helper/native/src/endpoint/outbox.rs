//! What a connection has yet to send.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use super::control;

/// How an attempt to send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing is left.
    All,
    /// The rest waits until the other end reads.
    Waiting,
    /// More than the bound would wait: the other end does not read.
    Overflow,
    /// The connection is broken.
    Broken,
}

/// Bytes that did not fit into the socket, up to a bound.
#[derive(Debug)]
pub struct Outbox {
    limit: usize,
    bytes: VecDeque<u8>,
}

impl Outbox {
    /// An empty one that keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: VecDeque::new(),
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
        if self.bytes.len() + total - sent > self.limit {
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
                Ok(0) => return Sent::Waiting,
                Ok(count) => drop(self.bytes.drain(..count)),
                Err(_) => return Sent::Broken,
            }
        }
        self.bytes = VecDeque::new();
        Sent::All
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

    #[test]
    fn keeps_order_across_a_full_socket() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        theirs.set_nonblocking(true).expect("an option");
        let mut outbox = Outbox::new(1 << 20);
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
    }

    #[test]
    fn bounded() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut outbox = Outbox::new(10_000);
        let mut frames = 0;
        while outbox.send(ours.as_fd(), &[0; 4], &[7; 4000]) != Sent::Overflow {
            frames += 1;
            assert!(frames < 1000, "the bound must be met");
        }
        assert!(outbox.bytes.len() <= 10_000);
        drop(theirs);
        assert_eq!(outbox.flush(ours.as_fd()), Sent::Broken);
    }
}
