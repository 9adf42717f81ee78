//! The mounts of developer mode, in a mount namespace of its own.

use std::ffi::CString;

use napi_derive::napi;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};

use super::{Code, Result, refused};

fn c_string(name: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| napi::Error::new(Code::Invalid, format!("{name} has a NUL in it")))
}

/// Cuts this mount namespace off: what is mounted here later is seen nowhere else. Only of use after
/// `unshare --mount`; the caller makes sure that it is in a namespace of its own.
#[napi(catch_unwind)]
pub fn make_mounts_private() -> Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|cause| refused("make all mounts private", cause))
}

/// Mounts an empty tmpfs over `path`, without devices and setuid files. `options` are tmpfs(5)'s, such as
/// `mode=0755,size=16m`.
#[napi(catch_unwind)]
pub fn mount_tmpfs(path: String, options: String) -> Result<()> {
    let options = c_string("options", &options)?;
    mount(
        "tmpfs",
        path.as_str(),
        "tmpfs",
        MountFlags::NODEV | MountFlags::NOSUID,
        options.as_c_str(),
    )
    .map_err(|cause| refused(&format!("mount a tmpfs on {path:?}"), cause))
}

/// Makes the file or directory `source`, with all that is mounted below, appear at `target` as well. `target`
/// must exist and be of the same kind.
#[napi(catch_unwind)]
pub fn bind_mount(source: String, target: String) -> Result<()> {
    mount_bind_recursive(source.as_str(), target.as_str())
        .map_err(|cause| refused(&format!("bind {source:?} to {target:?}"), cause))
}
