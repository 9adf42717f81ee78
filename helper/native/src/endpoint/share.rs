//! What one uid's connections together may have waiting for JavaScript.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::line::lock;

/// Frames of one uid, over all its connections, that may wait for JavaScript: a flood of one uid delays the others by
/// no more than this many.
pub const FRAMES: usize = 64;

/// The share of a uid, which its connections take from in turn.
#[derive(Debug)]
pub struct Share {
    limit: usize,
    frames: AtomicUsize,
    /// Connections that were told to wait, longest first; some may be gone by now.
    waiting: Mutex<VecDeque<u32>>,
}

impl Share {
    /// A share of at most `limit` frames.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            frames: AtomicUsize::new(0),
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

    /// Counts a frame.
    pub fn take(&self) {
        self.frames.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a frame that JavaScript has; `resume` gets the connection that has waited longest. After the last frame
    /// it gets all: those that are gone make no use of it, and nothing would come after.
    pub fn give_back(&self, mut resume: impl FnMut(u32)) {
        let left = self.frames.fetch_sub(1, Ordering::SeqCst) - 1;
        let mut waiting = lock(&self.waiting);
        let count = if left == 0 {
            waiting.len()
        } else {
            waiting.len().min(1)
        };
        waiting.drain(..count).for_each(&mut resume);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(share: &Share) -> Vec<u32> {
        let mut connections = Vec::new();
        share.give_back(|connection| connections.push(connection));
        connections
    }

    #[test]
    fn connections_take_turns() {
        let share = Share::new(3);
        for _ in 0..3 {
            assert!(share.may_take(1));
            share.take();
        }
        for connection in [1, 2, 1, 3] {
            assert!(!share.may_take(connection));
        }
        assert_eq!(resumed(&share), [1]);
        assert!(share.may_take(1));
        share.take();
        assert!(!share.may_take(1), "it has to wait behind the others");
        assert_eq!(resumed(&share), [2]);
        assert_eq!(resumed(&share), [3]);
        assert_eq!(resumed(&share), [1]);
    }

    #[test]
    fn the_last_frame_wakes_everybody() {
        let share = Share::new(1);
        share.take();
        for connection in 1..=5 {
            assert!(!share.may_take(connection));
        }
        assert_eq!(resumed(&share), [1, 2, 3, 4, 5]);
        assert!(share.may_take(6));
        share.take();
        assert_eq!(resumed(&share), []);
    }
}
