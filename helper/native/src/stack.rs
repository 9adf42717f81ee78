//! What moved values leave behind on the stack.

use zeroize::Zeroize;

/// How far down the stack is overwritten, in bytes. Work that handles a secret goes less deep.
const DEPTH: usize = 128 * 1024;

/// Does work that handles secrets, and then overwrites the stack that it used: with it go the copies that moving a
/// value leaves, which no destructor knows of.
pub fn wiped<T>(work: impl FnOnce() -> T) -> T {
    let _wipe = Wipe;
    apart(work)
}

struct Wipe;

impl Drop for Wipe {
    /// Runs when the work is done, or has panicked.
    fn drop(&mut self) {
        overwrite();
    }
}

/// Keeps the work's frame out of its caller's, and so below the one that overwrites.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Its own frame is what is overwritten, so it must have one.
#[inline(never)]
fn overwrite() {
    let mut below = [0xa5_u8; DEPTH];
    below.zeroize();
    std::hint::black_box(&below);
}
