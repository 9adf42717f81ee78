//! Whether a socket may lie where it is to lie: nobody but root and this uid may be able to put another there.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use super::error::{Code, Result, error, refused};

/// Longest path of a Unix socket, in bytes (`sun_path` less its NUL).
const PATH_LENGTH: usize = 107;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Checks the path of a socket with permissions `mode`, and every directory above it from the root down.
///
/// Each must belong to root or this uid and be writable by no one else, so that what was found does not change
/// afterwards. A sticky directory, `/tmp` for instance, may stand above one that fits: nobody else can replace that.
/// Returns the directory of the socket.
pub fn check(path: &Path, mode: u32) -> Result<&Path> {
    let invalid = |message: String| Err(error(Code::InvalidArgument, message));
    if mode > 0o777 {
        return invalid(format!("mode must be at most 0o777, not 0o{mode:o}"));
    }
    if !path.is_absolute() || path.as_os_str().len() > PATH_LENGTH {
        return invalid(format!(
            "path must be absolute and at most {PATH_LENGTH} bytes long: {}",
            path.display()
        ));
    }
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let (Some(directory), true) = (path.parent(), path.components().all(plain)) else {
        return invalid(format!("path names no file, or with `..`: {}", path.display()));
    };
    let mut ancestors: Vec<&Path> = directory.ancestors().collect();
    ancestors.reverse();
    // In a user namespace root's directories have the owner that stands for all uids unknown there. Whoever owns `/`
    // decides over everything in any case.
    let mut trusted = vec![0, rustix::process::geteuid().as_raw()];
    for each in ancestors {
        let found = fs::symlink_metadata(each)
            .map_err(|cause| refused(&format!("look at {}", each.display()), &cause))?;
        if each.parent().is_none() {
            trusted.push(found.uid());
        }
        if let Some(problem) = problem(&found, &trusted, each == directory) {
            let message = format!("{} {problem}", each.display());
            return Err(error(Code::DirectoryUnsafe, message));
        }
    }
    Ok(directory)
}

fn problem(found: &Metadata, trusted: &[u32], holds_the_socket: bool) -> Option<&'static str> {
    let open = found.mode() & WRITABLE_BY_OTHERS != 0;
    let sticky = found.mode() & STICKY != 0 && !holds_the_socket;
    if !found.is_dir() {
        Some("is not a directory itself")
    } else if !trusted.contains(&found.uid()) {
        Some("belongs to another user")
    } else if open && !sticky {
        Some("can be written by others")
    } else {
        None
    }
}
