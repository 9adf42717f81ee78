//! What one uid's connections together may have waiting: frames for JavaScript, bytes for their clients.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::line::lock;

/// Frames of one uid, over all its connections, that may wait for JavaScript before the batch that is added to them: a
/// flood of one uid delays the others by no more.
pub const FRAMES: usize = 64;

/// The share of a uid: of frames its connections take in turn, of bytes who comes first.
#[derive(Debug)]
pub struct Share {
    limit: usize,
    frames: AtomicUsize,
    queued: usize,
    bytes: AtomicUsize,
    /// Connections that were told to wait, longest first; some may be gone by now.
    waiting: Mutex<VecDeque<u32>>,
}

impl Share {
    /// A share of at most `limit` frames, and `queued` bytes of memory for what waits to be sent.
    pub fn new(limit: usize, queued: usize) -> Self {
        Self {
            limit,
            frames: AtomicUsize::new(0),
            queued,
            bytes: AtomicUsize::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Whether a connection may have another frame delivered. If not, [`Self::give_back`] will name it.
    pub fn may_take(&self, connection: u32) -> bool {
        if self.has_room() {
            return true;
        }
        let mut waiting = lock(&self.waiting);
        if !waiting.contains(&connection) {
            waiting.push_back(connection);
        }
        drop(waiting);
        // A frame may have been given back before it could be seen that someone waits for it.
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.frames.load(Ordering::SeqCst) < self.limit
    }

    /// Counts frames.
    pub fn take(&self, count: usize) {
        self.frames.fetch_add(count, Ordering::SeqCst);
    }

    /// Counts frames that JavaScript has; `resume` gets the connection that has waited longest. After the last frame
    /// it gets all: those that are gone make no use of it, and nothing would come after.
    pub fn give_back(&self, count: usize, mut resume: impl FnMut(u32)) {
        let left = self.frames.fetch_sub(count, Ordering::SeqCst) - count;
        let mut waiting = lock(&self.waiting);
        let woken = if left == 0 {
            waiting.len()
        } else {
            waiting.len().min(1)
        };
        waiting.drain(..woken).for_each(&mut resume);
    }

    /// Counts memory for what waits to be sent; false if that would be more than the share, and then counts nothing.
    pub fn take_bytes(&self, count: usize) -> bool {
        let more = |taken: usize| {
            taken
                .checked_add(count)
                .filter(|together| *together <= self.queued)
        };
        self.bytes
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// Counts memory that is free again.
    pub fn give_back_bytes(&self, count: usize) {
        self.bytes.fetch_sub(count, Ordering::SeqCst);
    }

    /// Memory taken now.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(share: &Share) -> Vec<u32> {
        let mut connections = Vec::new();
        share.give_back(1, |connection| connections.push(connection));
        connections
    }

    #[test]
    fn connections_take_turns() {
        let share = Share::new(3, 0);
        for _ in 0..3 {
            assert!(share.may_take(1));
            share.take(1);
        }
        for connection in [1, 2, 1, 3] {
            assert!(!share.may_take(connection));
        }
        assert_eq!(resumed(&share), [1]);
        assert!(share.may_take(1));
        share.take(1);
        assert!(!share.may_take(1), "it has to wait behind the others");
        assert_eq!(resumed(&share), [2]);
        assert_eq!(resumed(&share), [3]);
        assert_eq!(resumed(&share), [1]);
    }

    #[test]
    fn the_last_frame_wakes_everybody() {
        let share = Share::new(1, 0);
        share.take(1);
        for connection in 1..=5 {
            assert!(!share.may_take(connection));
        }
        assert_eq!(resumed(&share), [1, 2, 3, 4, 5]);
        assert!(share.may_take(6));
        share.take(1);
        assert_eq!(resumed(&share), []);
    }

    #[test]
    fn bytes_are_taken_up_to_the_share_and_come_back() {
        let share = Share::new(1, 100);
        assert!(share.take_bytes(60));
        assert!(!share.take_bytes(41));
        assert!(!share.take_bytes(usize::MAX));
        assert!(share.take_bytes(40));
        assert!(!share.take_bytes(1));
        share.give_back_bytes(60);
        assert!(share.take_bytes(60));
        assert_eq!(share.bytes(), 100);
    }
}
