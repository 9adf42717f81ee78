//! A listening socket in the file system, at no moment open to more than it should be.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, RenameFlags, fchmod, renameat_with};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::rand::{GetRandomFlags, getrandom};

use super::control::prepare;
use super::error::{Code, Result, error, refused};
use super::{inherited, place};

/// Connections that may wait to be accepted, as far as `net.core.somaxconn` lets them; beyond, connecting fails with
/// `EAGAIN`.
const BACKLOG: i32 = 4096;

/// A listening socket and the file that belongs to it.
#[derive(Debug)]
pub struct Bound {
    socket: Option<OwnedFd>,
    path: PathBuf,
    /// None for a file that the service manager made and keeps.
    identity: Option<(u64, u64)>,
}

impl Bound {
    /// The listener, non-blocking, with credentials on. It can be taken once.
    pub fn take_socket(&mut self) -> io::Result<OwnedFd> {
        self.socket
            .take()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
    }

    /// Removes the file if it is still ours.
    pub fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| Some(identity(&found)) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// How to listen.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Permissions of the socket.
    pub mode: u32,
    /// Descriptors from 3 on that the service manager passed.
    pub inherited: u32,
    /// Whether to do without what Linux 6.16 brought.
    pub older_kernel: bool,
}

/// Listens on `path`: with the socket that the service manager passed for it, or else with a new one that has exactly
/// the permissions `mode`.
///
/// The file is created narrower than `mode` or equal to it, never wider, and nobody can connect before `listen`.
/// A file in the way is replaced only if it is a socket of ours that nobody answers on.
pub fn bind_at(path: &Path, manner: Manner) -> Result<Bound> {
    let directory = place::check(path, manner.mode)?;
    if let Some(socket) = inherited::find(path, manner.mode, manner.inherited)? {
        prepare(&socket, manner.older_kernel)
            .map_err(|cause| refused("set up the inherited socket", &cause))?;
        return Ok(Bound {
            socket: Some(socket),
            path: path.to_owned(),
            identity: None,
        });
    }
    let found = match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(refused(&format!("look at {}", path.display()), &cause)),
        Ok(found) => Some(found),
    };
    let Some(found) = found else {
        return create(path, manner);
    };
    let stale = check_stale(path, &found)?;
    replace(path, directory, manner, stale)
}

/// Whether what is at `path` may be replaced; its identity then.
fn check_stale(path: &Path, found: &Metadata) -> Result<(u64, u64)> {
    let busy = |why: &str| Err(error(Code::AddressInUse, format!("{} {why}", path.display())));
    if !found.file_type().is_socket() {
        return busy("is not a socket");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return busy("belongs to another user");
    }
    let probe = stream_socket().map_err(|cause| refused("create a socket", &cause))?;
    let address = SocketAddrUnix::new(path).map_err(|cause| refused("name a socket", &cause.into()))?;
    match connect(&probe, &address) {
        Err(Errno::CONNREFUSED) => Ok(identity(found)),
        Ok(()) | Err(Errno::AGAIN) => busy("is answered by another process"),
        Err(cause) => Err(refused(
            &format!("see whether {} is in use", path.display()),
            &cause.into(),
        )),
    }
}

fn stream_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Creates the socket at a path where nothing is; fails if something came there in the meantime.
fn create(path: &Path, manner: Manner) -> Result<Bound> {
    let make = || -> io::Result<Bound> {
        let socket = stream_socket()?;
        prepare(&socket, manner.older_kernel)?;
        // Linux creates the file with the socket's own mode less the umask: never wider than asked for.
        fchmod(&socket, Mode::from_raw_mode(manner.mode))?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        let finish = || -> io::Result<(u64, u64)> {
            // What the umask took comes back only now; nobody can connect before `listen`.
            fs::set_permissions(path, Permissions::from_mode(manner.mode))?;
            let made = identity(&fs::symlink_metadata(path)?);
            listen(&socket, BACKLOG)?;
            Ok(made)
        };
        match finish() {
            Ok(identity) => Ok(Bound {
                socket: Some(socket),
                path: path.to_owned(),
                identity: Some(identity),
            }),
            Err(cause) => {
                let _ = fs::remove_file(path);
                Err(cause)
            }
        }
    };
    make().map_err(|cause| refused(&format!("listen on {}", path.display()), &cause))
}

/// Puts a new socket in the place of the stale one in a single step, and takes the step back if someone else was
/// faster: two helpers that start at once cannot both believe to have the path.
fn replace(path: &Path, directory: &Path, manner: Manner, stale: (u64, u64)) -> Result<Bound> {
    // Random, so that what a helper left that died here is in nobody's way.
    let mut random = [0; 4];
    getrandom(&mut random, GetRandomFlags::empty())
        .map_err(|cause| refused("make up a name", &cause.into()))?;
    let aside = directory.join(format!(".{:08x}", u32::from_ne_bytes(random)));
    let mut bound = create(&aside, manner)?;
    let swap = || renameat_with(CWD, &aside, CWD, path, RenameFlags::EXCHANGE);
    if let Err(cause) = swap() {
        bound.remove();
        return Err(refused(
            &format!("replace the stale socket {}", path.display()),
            &cause.into(),
        ));
    }
    match fs::symlink_metadata(&aside) {
        Ok(swapped) if identity(&swapped) == stale => {
            let _ = fs::remove_file(&aside);
            bound.path = path.to_owned();
            Ok(bound)
        }
        _ => {
            let _ = swap();
            bound.remove();
            Err(error(
                Code::AddressInUse,
                format!("another process has just taken {}", path.display()),
            ))
        }
    }
}
