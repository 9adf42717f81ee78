//! Reading from a Unix socket together with what the kernel says about the sender.
//!
//! Done by hand and not with `rustix`: its credentials hold the pid in a type that cannot be zero, and zero is
//! exactly what the kernel reports for a sender in a pid namespace that this process cannot see.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `SO_PEERPIDFD` of socket(7), since Linux 6.5.
const SO_PEERPIDFD: libc::c_int = 77;
/// `SO_PASSRIGHTS` of socket(7), since Linux 6.16.
const SO_PASSRIGHTS: libc::c_int = 83;
/// Room for credentials, 253 descriptors (`SCM_MAX_FD`) and a pidfd, in words of eight bytes: about 1.1 KB are
/// needed. With less the kernel would drop what comes last.
const CONTROL_WORDS: usize = 256;

/// Who sent something, in the eyes of this process's namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// 0 for a process that this pid namespace does not show.
    pub pid: i32,
    /// The overflow uid (65534) for one that this user namespace does not map.
    pub uid: u32,
    /// The overflow gid likewise.
    pub gid: u32,
}

impl From<libc::ucred> for Credentials {
    fn from(raw: libc::ucred) -> Self {
        Self {
            pid: raw.pid,
            uid: raw.uid,
            gid: raw.gid,
        }
    }
}

/// What one read brought. Descriptors that came along are closed already.
#[derive(Debug)]
pub struct Received {
    /// Bytes read; 0 at the end of the stream.
    pub length: usize,
    /// The sender, as the kernel recorded it when the bytes were written.
    pub sender: Option<Credentials>,
    /// Whether descriptors came along, or more control data than fits.
    pub descriptors: bool,
}

/// Reads once, without waiting. All bytes of one read are of one sender.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = [0u64; CONTROL_WORDS];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all zeroes is a valid msghdr: null pointers with zero lengths.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: `message` points to `part`, `buffer` and `control`, which outlive the call, with their true lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;

    let mut received = Received {
        length,
        sender: None,
        descriptors: message.msg_flags & libc::MSG_CTRUNC != 0,
    };
    // SAFETY: the kernel filled `control` and set `msg_controllen` to what it used.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !next.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give only headers that lie within `control`, aligned.
        let header = unsafe { &*next };
        // SAFETY: CMSG_LEN is arithmetic; CMSG_DATA of a header within `control` lies within or at its end.
        let (data, overhead) = unsafe { (libc::CMSG_DATA(next), libc::CMSG_LEN(0) as usize) };
        let size = header.cmsg_len.saturating_sub(overhead);
        match (header.cmsg_level, header.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if size >= size_of::<libc::ucred>() => {
                // SAFETY: `size` bytes lie behind `data`, which need not be aligned; any bits are a valid ucred.
                received.sender = Some(unsafe { data.cast::<libc::ucred>().read_unaligned() }.into());
            }
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                received.descriptors = true;
                for place in 0..size / size_of::<RawFd>() {
                    // SAFETY: the place lies within `size`; the kernel installed this descriptor for us alone,
                    // and nothing else owns it.
                    drop(unsafe { OwnedFd::from_raw_fd(data.cast::<RawFd>().add(place).read_unaligned()) });
                }
            }
            _ => {}
        }
        // SAFETY: `message` and `next` are as above.
        next = unsafe { libc::CMSG_NXTHDR(&raw const message, next) };
    }
    Ok(received)
}

/// Sends what fits, without waiting and without SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, parts: [&[u8]; 2]) -> io::Result<usize> {
    let mut vectors = parts.map(|part| libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    });
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = vectors.len();
    // SAFETY: `message` points to `vectors` and through them to `parts`, which the kernel only reads.
    let sent = unsafe {
        libc::sendmsg(
            socket.as_raw_fd(),
            &raw const message,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// A socket option of the size of `T`.
fn option<T: Copy>(socket: BorrowedFd<'_>, name: libc::c_int, mut value: T) -> io::Result<T> {
    let mut size = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: `value` has room for `size` bytes, and only plain integers and `ucred` are asked for.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    if status == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Who connected: the credentials at the time of `connect`.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let nobody = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    option(socket, libc::SO_PEERCRED, nobody).map(Credentials::from)
}

/// A descriptor of the process that connected, whatever became of its number. `ENOPROTOOPT` before Linux 6.5,
/// `ESRCH` or `EINVAL` when it has ended.
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let raw: RawFd = option(socket, SO_PEERPIDFD, -1)?;
    if raw < 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: the kernel has just made this descriptor for us (close-on-exec), and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Makes the kernel attach credentials to everything that arrives. Set on a listener it holds for every
/// connection from its first byte.
pub fn pass_credentials(socket: impl AsFd) -> io::Result<()> {
    rustix::net::sockopt::set_socket_passcred(socket, true).map_err(io::Error::from)
}

/// Makes the kernel refuse descriptors at their sender (`EPERM`), so that none ever comes here; on a listener likewise.
/// Before Linux 6.16 they come, and [`receive`] closes them.
pub fn refuse_descriptors(socket: impl AsFd) -> io::Result<()> {
    let off: libc::c_int = 0;
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: `off` is an integer of `size` bytes that outlives the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            size,
        )
    };
    let cause = io::Error::last_os_error();
    if status == 0 || cause.raw_os_error() == Some(libc::ENOPROTOOPT) {
        Ok(())
    } else {
        Err(cause)
    }
}

/// What a listener needs before anyone can connect, and a connection that may have been made before that.
pub fn prepare(socket: impl AsFd, older_kernel: bool) -> io::Result<()> {
    pass_credentials(&socket)?;
    if older_kernel {
        Ok(())
    } else {
        refuse_descriptors(socket)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn reads_carry_the_sender() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        pass_credentials(&theirs).expect("an option");
        ours.write_all(b"hello").expect("written");
        let mut buffer = [0; 16];
        let received = receive(theirs.as_fd(), &mut buffer).expect("received");
        assert_eq!(&buffer[..received.length], b"hello");
        assert!(!received.descriptors);
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(received.sender.map(|sender| sender.pid), Some(pid));
        assert_eq!(
            peer_credentials(theirs.as_fd()).map(|peer| peer.pid).ok(),
            Some(pid)
        );
        let empty = receive(theirs.as_fd(), &mut buffer).expect_err("nothing to read");
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        assert_eq!(receive(theirs.as_fd(), &mut buffer).expect("the end").length, 0);
    }

    #[test]
    fn descriptors_are_closed() {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (probe, passed) = UnixStream::pair().expect("a pair");
        let passed = vec![passed.as_fd(); 253];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
        sendmsg(&ours, &[io::IoSlice::new(b"x")], &mut control, SendFlags::empty()).expect("sent");
        let count = || std::fs::read_dir("/proc/self/fd").expect("a list").count();
        let before = count();
        let mut buffer = [0; 16];
        let received = receive(theirs.as_fd(), &mut buffer).expect("received");
        assert!(received.descriptors);
        assert!(count().abs_diff(before) < 100, "253 descriptors must not stay");
        drop(probe);
    }
}
