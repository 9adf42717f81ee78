//! A listening socket in the file system, at no moment open to more than it should be.

use std::ffi::OsString;
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

use super::control::pass_credentials;
use super::error::{Code, Result, error, refused};

/// Longest path of a Unix socket, in bytes (`sun_path` less its NUL).
const PATH_LENGTH: usize = 107;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A listening socket and the file that belongs to it.
#[derive(Debug)]
pub struct Bound {
    socket: Option<OwnedFd>,
    path: PathBuf,
    identity: (u64, u64),
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
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Listens on `path` with exactly the permissions `mode`.
///
/// The file is created narrower than `mode` or equal to it, never wider, and nobody can connect before `listen`.
/// A file in the way is replaced only if it is a socket of ours that nobody answers on.
pub fn bind_at(path: &Path, mode: u32) -> Result<Bound> {
    let directory = check(path, mode)?;
    let found = match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(refused(&format!("look at {}", path.display()), &cause)),
        Ok(found) => Some(found),
    };
    let Some(found) = found else {
        return create(path, mode);
    };
    let stale = check_stale(path, &found)?;
    replace(path, directory, mode, stale)
}

fn check(path: &Path, mode: u32) -> Result<&Path> {
    let length = path.as_os_str().len();
    if !path.is_absolute() || length > PATH_LENGTH {
        let message = format!(
            "path must be absolute and at most {PATH_LENGTH} bytes long: {}",
            path.display()
        );
        return Err(error(Code::InvalidArgument, message));
    }
    if mode > 0o777 {
        return Err(error(
            Code::InvalidArgument,
            format!("mode must be at most 0o777, not 0o{mode:o}"),
        ));
    }
    let (Some(directory), Some(_)) = (path.parent(), path.file_name()) else {
        return Err(error(
            Code::InvalidArgument,
            format!("path names no file: {}", path.display()),
        ));
    };
    let found = fs::symlink_metadata(directory)
        .map_err(|cause| refused(&format!("look at {}", directory.display()), &cause))?;
    let own = rustix::process::geteuid().as_raw();
    let problem = if !found.is_dir() {
        "is not a directory itself"
    } else if found.uid() != 0 && found.uid() != own {
        "belongs to another user"
    } else if found.mode() & 0o022 != 0 {
        "can be written by others"
    } else {
        return Ok(directory);
    };
    Err(error(
        Code::DirectoryUnsafe,
        format!("{} {problem}", directory.display()),
    ))
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
fn create(path: &Path, mode: u32) -> Result<Bound> {
    let make = || -> io::Result<Bound> {
        let socket = stream_socket()?;
        pass_credentials(&socket)?;
        // Linux creates the file with the socket's own mode less the umask: never wider than asked for.
        fchmod(&socket, Mode::from_raw_mode(mode))?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        let finish = || -> io::Result<(u64, u64)> {
            // What the umask took comes back only now; nobody can connect before `listen`.
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            let made = identity(&fs::symlink_metadata(path)?);
            listen(&socket, BACKLOG)?;
            Ok(made)
        };
        match finish() {
            Ok(identity) => Ok(Bound {
                socket: Some(socket),
                path: path.to_owned(),
                identity,
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
fn replace(path: &Path, directory: &Path, mode: u32, stale: (u64, u64)) -> Result<Bound> {
    let mut name = OsString::from(".");
    name.push(format!("{:08x}", rustix::process::getpid().as_raw_nonzero()));
    let aside = directory.join(name);
    let mut bound = create(&aside, mode)?;
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
