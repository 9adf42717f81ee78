//! Who is at the other end of a connection, pinned when it is accepted.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::control::{Credentials, peer_credentials, peer_pidfd};

/// A process pinned by a descriptor: its number may be used again, the descriptor never means another one.
#[derive(Debug)]
pub struct Peer {
    /// As of `connect`.
    pub credentials: Credentials,
    /// Becomes readable when the process ends.
    pub pidfd: OwnedFd,
    /// What it was running when it was pinned.
    pub executable: Result<Executable, String>,
    /// Whether it lives in this process's user namespace; false when that cannot be seen.
    pub same_user_namespace: bool,
    /// Whether it lives in this process's pid namespace; false when that cannot be seen.
    pub same_pid_namespace: bool,
}

/// The file that a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Its path in this process's mount namespace, or what the kernel calls it if it is not reachable there.
    pub path: String,
    /// Uid of its owner.
    pub owner: u32,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Whether the path no longer leads to it: deleted, replaced, or seen from another mount namespace.
    pub deleted: bool,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The process has ended, or cannot be pinned.
    Gone,
    /// It lives in another pid namespace, which hides its number.
    Hidden,
}

/// Pins the process that connected and looks at it. Everything read by pid is confirmed by the descriptor being
/// alive afterwards.
pub fn identify(socket: BorrowedFd<'_>) -> Result<Peer, (Unfit, Credentials)> {
    let nobody = Credentials {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let credentials = peer_credentials(socket).map_err(|_| (Unfit::Gone, nobody))?;
    let Some(pid) = Pid::from_raw(credentials.pid).filter(|_| credentials.pid > 0) else {
        return Err((Unfit::Hidden, credentials));
    };
    let gone = |_| (Unfit::Gone, credentials);
    let pidfd = match peer_pidfd(socket) {
        Ok(pidfd) => pidfd,
        Err(cause) if cause.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            pin(pid, credentials.uid).map_err(gone)?
        }
        Err(cause) => return Err(gone(cause)),
    };
    let peer = Peer {
        credentials,
        executable: executable(credentials.pid).map_err(|cause| cause.to_string()),
        same_user_namespace: shares(credentials.pid, "user"),
        same_pid_namespace: shares(credentials.pid, "pid"),
        pidfd,
    };
    if has_ended(peer.pidfd.as_fd()) {
        Err((Unfit::Gone, credentials))
    } else {
        Ok(peer)
    }
}

/// Before Linux 6.5 the kernel gives only a number. The process must have been the same one before and after it
/// was pinned, of the uid that connected.
fn pin(pid: Pid, uid: u32) -> io::Result<OwnedFd> {
    let number = pid.as_raw_nonzero().get();
    let before = start_time(number)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let same = start_time(number)? == before && fs::metadata(format!("/proc/{number}"))?.uid() == uid;
    if same {
        Ok(pidfd)
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}

/// When a process began, in clock ticks since boot: field 22 of `/proc/PID/stat`.
fn start_time(pid: i32) -> io::Result<u64> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_time(&line).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The second field is the program's name, which may hold spaces and parentheses: the last one ends it.
fn parse_start_time(line: &str) -> Option<u64> {
    let (_, rest) = line.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether a pinned process has ended. What cannot be asked counts as ended.
pub fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    let mut source = [PollFd::new(&pidfd, PollFlags::IN)];
    poll(&mut source, Some(&Timespec::default())) != Ok(0)
}

fn executable(pid: i32) -> io::Result<Executable> {
    let link = format!("/proc/{pid}/exe");
    // The open file is what counts; its name is only a name.
    let file = File::from(open(&link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?);
    let metadata = file.metadata()?;
    let name = fs::read_link(&link)?;
    let reachable = fs::symlink_metadata(&name).is_ok_and(|found| same_file(&found, &metadata));
    let path = name
        .into_os_string()
        .into_string()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its path is not UTF-8"))?;
    let path = if metadata.nlink() == 0 {
        path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned()
    } else {
        path
    };
    Ok(Executable {
        path,
        owner: metadata.uid(),
        mode: metadata.mode() & 0o7777,
        device: metadata.dev(),
        inode: metadata.ino(),
        deleted: metadata.nlink() == 0 || !reachable,
    })
}

fn same_file(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino()
}

fn shares(pid: i32, kind: &str) -> bool {
    let theirs = fs::metadata(format!("/proc/{pid}/ns/{kind}"));
    let ours = fs::metadata(format!("/proc/self/ns/{kind}"));
    matches!((theirs, ours), (Ok(theirs), Ok(ours)) if same_file(&theirs, &ours))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn recognizes_this_process() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let peer = identify(ours.as_fd()).expect("a peer");
        let executable = peer.executable.expect("an executable");
        let own = std::env::current_exe().expect("a path");
        assert_eq!(executable.path, own.to_str().expect("UTF-8"));
        assert!(!executable.deleted);
        assert!(peer.same_user_namespace && peer.same_pid_namespace);
        assert!(!has_ended(peer.pidfd.as_fd()));
    }

    #[test]
    fn pins_without_the_kernels_help() {
        let own = rustix::process::getpid();
        let uid = rustix::process::geteuid().as_raw();
        assert!(pin(own, uid).is_ok_and(|pidfd| !has_ended(pidfd.as_fd())));
        assert!(pin(own, uid + 1).is_err());
    }

    #[test]
    fn start_times() {
        let line = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_start_time(line), Some(4242));
        assert_eq!(parse_start_time("12 (a"), None);
        assert_eq!(parse_start_time("12 (a) S 1"), None);
    }
}
