//! A key in memory that is never swapped, dumped or inherited, and is wiped when dropped.

use std::io;
use std::ptr::{self, NonNull};
use std::slice;

use zeroize::Zeroize;

/// Length of a master key, in bytes.
pub const KEY_LENGTH: usize = 32;

/// A page of memory of its own for one key: locked, left out of core dumps, absent in children.
pub struct LockedKey {
    page: NonNull<u8>,
    size: usize,
    locked: bool,
}

// SAFETY: the page belongs to this value alone and is only written through `&mut`.
unsafe impl Send for LockedKey {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for LockedKey {}

impl LockedKey {
    /// A page of zeros.
    pub fn zeroed() -> io::Result<Self> {
        // SAFETY: sysconf has no preconditions.
        let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })
            .map_err(|_| io::Error::last_os_error())?;
        // SAFETY: a new private mapping of no file, at a place the kernel chooses.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::<u8>::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: the page was mapped above and is this value's. What a limit refuses is told by `is_locked`; the rest is
        // done all the same.
        let done = unsafe {
            let page = page.as_ptr().cast();
            [
                libc::mlock(page, size),
                libc::madvise(page, size, libc::MADV_DONTDUMP),
                libc::madvise(page, size, libc::MADV_DONTFORK),
            ]
        };
        let locked = done == [0; 3];
        Ok(Self { page, size, locked })
    }

    /// A new random key.
    pub fn random() -> io::Result<Self> {
        let mut key = Self::zeroed()?;
        // SAFETY: the pointer and length describe the page. Up to 256 bytes come whole.
        let got = unsafe { libc::getrandom(key.page.as_ptr().cast(), KEY_LENGTH, 0) };
        if usize::try_from(got) == Ok(KEY_LENGTH) {
            Ok(key)
        } else {
            key.space().zeroize();
            Err(io::Error::last_os_error())
        }
    }

    /// A copy of `bytes`.
    pub fn copy(bytes: &[u8; KEY_LENGTH]) -> io::Result<Self> {
        let mut key = Self::zeroed()?;
        key.space()[..KEY_LENGTH].copy_from_slice(bytes);
        Ok(key)
    }

    /// Whether the kernel promised to neither swap nor dump it.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// The key.
    pub fn bytes(&self) -> &[u8; KEY_LENGTH] {
        // SAFETY: the page holds at least this many initialized bytes and lives as long as `self`.
        unsafe { &*self.page.as_ptr().cast::<[u8; KEY_LENGTH]>() }
    }

    /// The whole page, to read a key into its beginning.
    pub fn space(&mut self) -> &mut [u8] {
        // SAFETY: the page has `size` initialized bytes, and `&mut self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.page.as_ptr(), self.size) }
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        self.space().zeroize();
        // SAFETY: the page was mapped with this size and nothing refers to it any more.
        unsafe {
            libc::munmap(self.page.as_ptr().cast(), self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_memory_that_is_neither_swapped_nor_dumped_nor_inherited() {
        let key = LockedKey::random().expect("a page");
        assert!(key.is_locked());
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("this process's maps");
        let start = format!("{:x}-", key.bytes().as_ptr() as usize);
        let flags = maps
            .split("VmFlags:")
            .zip(maps.split("VmFlags:").skip(1))
            .find(|(before, _)| before.lines().any(|line| line.starts_with(&start)))
            .and_then(|(_, after)| after.lines().next())
            .expect("the key's mapping, which starts with its page");
        for flag in ["lo", "dd", "dc"] {
            assert!(
                flags.split_whitespace().any(|one| one == flag),
                "{flag} in {flags}"
            );
        }
    }

    #[test]
    fn keys_differ_and_are_copied_whole() {
        let (one, other) = (
            LockedKey::random().expect("one"),
            LockedKey::random().expect("another"),
        );
        assert_ne!(one.bytes(), other.bytes());
        assert_eq!(LockedKey::copy(one.bytes()).expect("a copy").bytes(), one.bytes());
    }
}
