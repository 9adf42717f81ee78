//! The memory that JavaScript lends, and the packets laid out in it.

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::{Code, Result, error};
use crate::tun::{Content, Segments};

/// Most packets of one slot.
pub const PACKETS_MAX: usize = 1024;
/// Length of the table of ends at a slot's start, in bytes: one unsigned 32-bit number a packet.
pub const TABLE_BYTES: usize = 4 * PACKETS_MAX;
/// Smallest slot, in bytes: any ordinary frame fits an empty one.
pub const BYTES_MIN: usize = 128 * 1024;
/// Largest slot, in bytes.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most slots of one flow.
pub const SLOTS_MAX: usize = 256;

/// A slot's memory, owned by a JavaScript buffer.
#[derive(Clone, Copy)]
pub struct Memory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a slot is filled by one task at a time, which has taken it from the pool. JavaScript may look at it
// meanwhile, against the rules, and then sees a mixture of bytes: nothing is trusted that comes back.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared `Memory` gives no access by itself.
unsafe impl Sync for Memory {}

impl Memory {
    /// The memory of one buffer. The caller keeps that buffer alive, and in place, for as long as this is used.
    pub fn of(buffer: &mut [u8]) -> Result<Self> {
        if !(BYTES_MIN..=BYTES_MAX).contains(&buffer.len()) {
            return Err(error(
                Code::InvalidArgument,
                format!(
                    "a slot has {BYTES_MIN} to {BYTES_MAX} bytes, not {}",
                    buffer.len()
                ),
            ));
        }
        let length = buffer.len();
        Ok(Self {
            start: NonNull::from(buffer).cast(),
            length,
        })
    }

    /// Whether no two of `slots` share a byte.
    pub fn are_apart(slots: &[Self]) -> bool {
        let mut spans: Vec<_> = slots
            .iter()
            .map(|slot| (slot.start.as_ptr() as usize, slot.length))
            .collect();
        spans.sort_unstable();
        spans.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
    }

    /// # Safety
    /// Whoever calls has taken this slot from the pool and not given it on, and its buffer is alive.
    unsafe fn bytes<'a>(self) -> &'a mut [u8] {
        // SAFETY: the pointer and length came from a live buffer, and the caller is the only one to write.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

/// Which slots are free, and which JavaScript has.
pub struct Pool {
    memory: Vec<Memory>,
    state: Mutex<State>,
    released: Notify,
}

struct State {
    free: VecDeque<usize>,
    lent: Vec<bool>,
}

impl Pool {
    /// All slots free.
    pub fn new(memory: Vec<Memory>) -> Self {
        let state = State {
            free: (0..memory.len()).collect(),
            lent: vec![false; memory.len()],
        };
        Self {
            memory,
            state: Mutex::new(state),
            released: Notify::new(),
        }
    }

    /// Waits for a free slot and takes it.
    pub async fn take(&self) -> Filling {
        loop {
            if let Some(slot) = self.state().free.pop_front() {
                return Filling {
                    slot,
                    memory: self.memory[slot],
                    count: 0,
                    end: TABLE_BYTES,
                };
            }
            self.released.notified().await;
        }
    }

    /// Marks a filled slot as lent to JavaScript.
    pub fn lend(&self, slot: usize) {
        self.state().lent[slot] = true;
    }

    /// Takes a slot back. `false`: JavaScript does not have it.
    pub fn release(&self, slot: usize) -> bool {
        let mut state = self.state();
        match state.lent.get_mut(slot) {
            Some(lent @ true) => *lent = false,
            _ => return false,
        }
        state.free.push_back(slot);
        drop(state);
        self.released.notify_one();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot that is being filled.
pub struct Filling {
    slot: usize,
    memory: Memory,
    count: usize,
    end: usize,
}

impl Filling {
    /// The slot's number.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// How many packets it holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they have together.
    pub fn byte_length(&self) -> usize {
        self.end - TABLE_BYTES
    }

    /// Whether `content` fits into what is left.
    pub fn has_room_for(&self, content: &Content<'_>) -> bool {
        let (count, bytes) = match content {
            Content::Packet(packet) => (1, packet.len()),
            Content::Segments(segments) => (segments.count, segments.count * segments.length),
        };
        self.count + count <= PACKETS_MAX && self.end + bytes <= self.memory.length
    }

    /// Adds what fits, see [`Self::has_room_for`]. `false`: it made no sense after all.
    pub fn add(&mut self, content: Content<'_>) -> bool {
        match content {
            Content::Packet(packet) => {
                // SAFETY: a `Filling` exists once per slot taken from the pool, and the flow that owns the pool
                // keeps the buffers until its task has ended.
                let bytes = unsafe { self.memory.bytes() };
                bytes[self.end..self.end + packet.len()].copy_from_slice(packet);
                self.close_packet(packet.len());
                true
            }
            Content::Segments(segments) => self.add_segments(segments),
        }
    }

    fn add_segments(&mut self, segments: Segments<'_>) -> bool {
        let (count, length) = (segments.count, segments.length);
        // SAFETY: as in `add`.
        let bytes = unsafe { self.memory.bytes() };
        // All packets but the last have this length, so that splitting into equal pieces leaves no gaps.
        let mut pieces: Vec<&mut [u8]> = bytes[self.end..self.end + count * length]
            .chunks_mut(length)
            .collect();
        let mut lengths = vec![0; count];
        let Some(made) = segments.split(&mut pieces, &mut lengths) else {
            return false;
        };
        for &length in &lengths[..made] {
            self.close_packet(length);
        }
        true
    }

    fn close_packet(&mut self, length: usize) {
        self.end += length;
        // SAFETY: as in `add`.
        let bytes = unsafe { self.memory.bytes() };
        let end = u32::try_from(self.end).unwrap_or(u32::MAX);
        bytes[4 * self.count..][..4].copy_from_slice(&end.to_le_bytes());
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        match future
            .as_mut()
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn a_slot_is_lent_once_and_released_once() {
        let mut buffer = vec![0; BYTES_MIN];
        let pool = Pool::new(vec![Memory::of(&mut buffer).expect("a slot")]);
        assert!(!pool.release(0), "never lent");
        let filling = block(pool.take()).expect("the only slot");
        assert!(block(pool.take()).is_none(), "no other");
        assert!(!pool.release(0), "not lent while it is filled");
        pool.lend(filling.slot());
        assert!(pool.release(0));
        assert!(!pool.release(0), "twice");
        assert!(!pool.release(7), "no such slot");
        assert!(block(pool.take()).is_some());
    }

    #[test]
    fn slots_are_apart_and_large_enough() {
        let mut buffer = vec![0; 3 * BYTES_MIN];
        let whole = Memory::of(&mut buffer).expect("all");
        let (one, rest) = buffer.split_at_mut(BYTES_MIN);
        let (one, rest) = (Memory::of(one).expect("one"), Memory::of(rest).expect("the rest"));
        assert!(Memory::are_apart(&[rest, one]));
        assert!(!Memory::are_apart(&[whole, one]));
        assert!(!Memory::are_apart(&[one, one]));
        assert!(Memory::of(&mut vec![0; BYTES_MIN - 1]).is_err());
    }

    #[test]
    fn packets_lie_back_to_back_with_a_table_of_ends() {
        let mut buffer = vec![0; BYTES_MIN];
        let pool = Pool::new(vec![Memory::of(&mut buffer).expect("a slot")]);
        let mut filling = block(pool.take()).expect("the slot");
        for (value, length) in [(1u8, 20usize), (2, 40), (3, 21)] {
            assert!(filling.add(Content::Packet(&vec![value; length])));
        }
        assert_eq!((filling.count(), filling.byte_length()), (3, 81));
        let ends: Vec<u32> = buffer
            .chunks(4)
            .take(3)
            .map(|end| u32::from_le_bytes(end.try_into().expect("4")))
            .collect();
        assert_eq!(ends, [4116, 4156, 4177]);
        assert_eq!(buffer[4116..4156], [2; 40]);
    }

    #[test]
    fn a_full_slot_takes_nothing_more() {
        let mut buffer = vec![0; BYTES_MIN];
        let pool = Pool::new(vec![Memory::of(&mut buffer).expect("a slot")]);
        let mut filling = block(pool.take()).expect("the slot");
        while filling.has_room_for(&Content::Packet(&[0; 20])) {
            assert!(filling.add(Content::Packet(&[0; 20])));
        }
        assert_eq!(filling.count(), PACKETS_MAX);
        let mut filling = Filling {
            count: 0,
            end: TABLE_BYTES,
            ..filling
        };
        while filling.has_room_for(&Content::Packet(&[0; 1500])) {
            assert!(filling.add(Content::Packet(&[0; 1500])));
        }
        assert_eq!(filling.count(), (BYTES_MIN - TABLE_BYTES) / 1500);
    }
}
