//! Who is at the other end of a connection, pinned when it is accepted.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::control::{Credentials, peer_pidfd};

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
    /// When it began, in clock ticks since boot.
    pub start_time: Option<u64>,
}

impl Peer {
    /// Whether it has ended. What cannot be asked counts as ended.
    pub fn has_ended(&self) -> bool {
        has_ended(self.pidfd.as_fd())
    }

    /// Whether it lives and runs the very file that it ran when it was pinned; false when that was not readable.
    pub fn is_unchanged(&self) -> bool {
        let Ok(pinned) = &self.executable else {
            return false;
        };
        let runs = fs::metadata(format!("/proc/{}/exe", self.credentials.pid));
        let same = runs.is_ok_and(|found| found.dev() == pinned.device && found.ino() == pinned.inode);
        // Asked last: while it lives its number is nobody else's.
        same && !self.has_ended()
    }
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
/// alive afterwards. With `by_number` the kernel is not asked for a descriptor, as if it were older than 6.5.
pub fn identify(socket: BorrowedFd<'_>, credentials: Credentials, by_number: bool) -> Result<Peer, Unfit> {
    let Some(pid) = Pid::from_raw(credentials.pid).filter(|_| credentials.pid > 0) else {
        return Err(Unfit::Hidden);
    };
    let offered = if by_number {
        Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT))
    } else {
        peer_pidfd(socket)
    };
    let pidfd = match offered {
        Err(cause) if cause.raw_os_error() == Some(libc::ENOPROTOOPT) => pin(pid, credentials.uid),
        other => other,
    };
    let peer = Peer {
        credentials,
        pidfd: pidfd.map_err(|_| Unfit::Gone)?,
        start_time: start_time(credentials.pid).ok(),
        executable: executable(credentials.pid).map_err(|cause| cause.to_string()),
        same_user_namespace: shares(credentials.pid, "user"),
        same_pid_namespace: shares(credentials.pid, "pid"),
    };
    if peer.has_ended() {
        Err(Unfit::Gone)
    } else {
        Ok(peer)
    }
}

/// Before Linux 6.5 the kernel gives only the number that the process had when it connected.
///
/// If that process ended before it was accepted, its number may be another one's by now, and nothing that the kernel
/// keeps says when the connection was made. So the process pinned here may not be the one that connected. It makes
/// no difference to who can speak: the process pinned here is the one whose uid, namespaces and executable are
/// judged, the secret must come back with its number while it lives (`handshake`), and so must every byte after. Who
/// connected and ended leaves at most a descriptor behind, and whatever its heirs write carries their own numbers.
/// What was written before the secret was made closes the connection. To be wrongly trusted, a trusted program of
/// the same uid would have to hold that descriptor and answer on it of its own will.
///
/// Fails closed: without `pidfd_open` (Linux 5.3), `/proc`, a start time, or with another uid than connected.
fn pin(pid: Pid, uid: u32) -> io::Result<OwnedFd> {
    let number = pid.as_raw_nonzero().get();
    let before = start_time(number)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let same = fs::metadata(format!("/proc/{number}"))?.uid() == uid && start_time(number)? == before;
    if same && !has_ended(pidfd.as_fd()) {
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

fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
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
    use std::process::{Command, Stdio};

    use super::super::control::peer_credentials;
    use super::*;

    #[test]
    fn recognizes_this_process_with_and_without_the_kernels_help() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let credentials = peer_credentials(ours.as_fd()).expect("credentials");
        for by_number in [false, true] {
            let peer = identify(ours.as_fd(), credentials, by_number).expect("a peer");
            assert!(peer.same_user_namespace && peer.same_pid_namespace);
            assert!(!peer.has_ended() && peer.is_unchanged());
            assert_eq!(peer.start_time, start_time(credentials.pid).ok());
            assert!(peer.start_time.is_some());
            let executable = peer.executable.expect("an executable");
            let own = std::env::current_exe().expect("a path");
            assert_eq!(executable.path, own.to_str().expect("UTF-8"));
            assert!(!executable.deleted);
        }
    }

    #[test]
    fn notices_another_executable_and_the_end() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let mut child = Command::new("sh")
            .args(["-c", "read line; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let pid = i32::try_from(child.id()).expect("a pid");
        let mut credentials = peer_credentials(ours.as_fd()).expect("credentials");
        credentials.pid = pid;
        let peer = identify(ours.as_fd(), credentials, true).expect("a peer");
        assert!(peer.is_unchanged());
        let mut input = child.stdin.take().expect("a pipe");
        io::Write::write_all(&mut input, b"go\nwent\n").expect("written");
        let mut output = child.stdout.take().expect("a pipe");
        io::Read::read_exact(&mut output, &mut [0; 5]).expect("cat answers");
        assert!(!peer.has_ended());
        assert!(!peer.is_unchanged());
        drop(input);
        child.wait().expect("an end");
        assert!(peer.has_ended());
        assert!(identify(ours.as_fd(), credentials, true).is_err_and(|unfit| unfit == Unfit::Gone));
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
