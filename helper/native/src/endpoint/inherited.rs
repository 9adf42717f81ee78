//! A socket that the service manager made and listens on for us: sd_listen_fds(3), systemd.socket(5).
//!
//! Clients may have connected before this process existed. What they have sent by then may carry no credentials, and
//! such bytes end their connection as all do that come before a nonce; whoever waits for the nonce, as our clients
//! do, notices nothing.

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, getsockname};

use super::error::{Code, Result, error, refused};

/// `SD_LISTEN_FDS_START`
const FIRST: RawFd = 3;

/// The one of `count` descriptors that listens on `path`, non-blocking; none if no one does.
///
/// The caller has checked the directories above `path`. The file itself must belong to root or this uid and be open
/// to no more than `mode`.
pub fn find(path: &Path, mode: u32, count: u32) -> Result<Option<OwnedFd>> {
    let count = RawFd::try_from(count).unwrap_or(0);
    for number in FIRST..FIRST.saturating_add(count) {
        // SAFETY: borrowed for this turn, in which nothing closes it: it was open before this process began, and
        // nothing here owns it. A number that is not open is not used but answered with EBADF.
        let passed = unsafe { BorrowedFd::borrow_raw(number) };
        if !listens_on(passed, path) {
            continue;
        }
        check(path, mode)?;
        let prepare = || -> rustix::io::Result<OwnedFd> {
            // The service manager keeps one as well: that this one stays open changes nothing. It is not passed on.
            fcntl_setfd(passed, FdFlags::CLOEXEC)?;
            let own = fcntl_dupfd_cloexec(passed, FIRST)?;
            fcntl_setfl(&own, fcntl_getfl(&own)? | OFlags::NONBLOCK)?;
            Ok(own)
        };
        let own = prepare().map_err(|cause| refused("take the inherited socket", &cause.into()))?;
        return Ok(Some(own));
    }
    Ok(None)
}

fn listens_on(socket: BorrowedFd<'_>, path: &Path) -> bool {
    let listens = socket_domain(socket) == Ok(AddressFamily::UNIX)
        && socket_type(socket) == Ok(SocketType::STREAM)
        && socket_acceptconn(socket) == Ok(true);
    let bound = || SocketAddrUnix::try_from(getsockname(socket).ok()?).ok();
    listens
        && bound().is_some_and(|address| {
            address
                .path()
                .is_some_and(|found| found.to_bytes() == path.as_os_str().as_bytes())
        })
}

fn check(path: &Path, mode: u32) -> Result<()> {
    let found = fs::symlink_metadata(path)
        .map_err(|cause| refused(&format!("look at {}", path.display()), &cause))?;
    let own = rustix::process::geteuid().as_raw();
    let problem = if !found.file_type().is_socket() {
        "is not the socket that was passed".to_owned()
    } else if found.uid() != 0 && found.uid() != own {
        "belongs to another user".to_owned()
    } else if found.mode() & 0o777 & !mode != 0 {
        let is = found.mode() & 0o777;
        format!("has permissions {is:04o}, more than {mode:04o}: set SocketMode={mode:04o} in its unit")
    } else {
        return Ok(());
    };
    Err(error(
        Code::DirectoryUnsafe,
        format!("{} {problem}", path.display()),
    ))
}
