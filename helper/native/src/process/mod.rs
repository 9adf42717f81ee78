//! What the helper asks of the kernel about its own process, and the mounts of developer mode.

// Functions are reached from JavaScript, whose registration a test build leaves out.
#![cfg_attr(test, allow(dead_code))]

mod identity;
mod mounts;

/// The `code` of an error thrown here; its strings are part of the binding's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The process may not do that, or not in this namespace.
    Permission,
    /// A path or option cannot be used.
    Invalid,
    /// Any other answer of the kernel.
    Failed,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::Permission => "PERMISSION",
            Self::Invalid => "INVALID",
            Self::Failed => "PROCESS_FAILED",
        }
    }
}

/// What functions of this folder return to JavaScript.
pub type Result<T> = std::result::Result<T, napi::Error<Code>>;

/// An error that says what was tried and what the kernel answered.
fn refused(tried: &str, cause: rustix::io::Errno) -> napi::Error<Code> {
    use rustix::io::Errno;
    let code = match cause {
        Errno::PERM | Errno::ACCESS => Code::Permission,
        Errno::INVAL | Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP => Code::Invalid,
        _ => Code::Failed,
    };
    napi::Error::new(code, format!("{tried}: {}", std::io::Error::from(cause)))
}
