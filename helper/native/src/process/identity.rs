//! Who this process is, where it lives, and what it leaves when it crashes.

use std::fs;
use std::os::unix::fs::MetadataExt;

use napi_derive::napi;
use rustix::process::{DumpableBehavior, Resource, Rlimit, geteuid, set_dumpable_behavior, setrlimit};

use super::{Code, Result, refused};

/// Keeps secrets out of core dumps for good: no core file (`RLIMIT_CORE` 0, hard limit too), and not dumpable,
/// which also closes `/proc/PID/mem` and ptrace to other processes of the same uid.
#[napi(catch_unwind)]
pub fn disable_core_dumps() -> Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .map_err(|cause| refused("set the core file limit to 0", cause))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|cause| refused("make the process not dumpable", cause))
}

/// The effective uid.
#[napi(catch_unwind)]
pub fn effective_uid() -> u32 {
    geteuid().as_raw()
}

/// The inode number that identifies the calling thread's namespace of a kind: the number that
/// `readlink /proc/thread-self/ns/KIND` shows in brackets.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn namespace_id(#[napi(ts_arg_type = "'net' | 'user' | 'mnt' | 'pid'")] kind: String) -> Result<f64> {
    if !matches!(kind.as_str(), "net" | "user" | "mnt" | "pid") {
        return Err(napi::Error::new(
            Code::Invalid,
            format!("there is no namespace kind {kind:?} to ask for"),
        ));
    }
    let path = format!("/proc/thread-self/ns/{kind}");
    let metadata = fs::metadata(&path)
        .map_err(|cause| napi::Error::new(Code::Failed, format!("read {path}: {cause}")))?;
    // nsfs numbers are 32-bit, far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    Ok(metadata.ino() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_numbers() {
        for kind in ["net", "user", "mnt", "pid"] {
            assert!(namespace_id(kind.into()).expect("a number") > 0.0);
        }
        assert!(namespace_id("../status".into()).is_err());
    }
}
