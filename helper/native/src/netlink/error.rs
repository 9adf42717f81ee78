//! Errors of rtnetlink as JavaScript sees them.

use std::io;

use netlink_packet_core::DecodeError;

/// The `code` of an error thrown by a netlink function; its strings are part of the binding's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// What was to be added is there already.
    Exists,
    /// What was to be changed or removed is not there, or the interface it names is gone.
    NotFound,
    /// The process lacks `CAP_NET_ADMIN` in this network namespace, or IPv6 is disabled on the interface.
    Permission,
    /// An argument cannot be used, or the kernel calls the request as a whole invalid.
    Invalid,
    /// Any other answer of the kernel, or one that cannot be read.
    Failed,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::Exists => "EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::Permission => "PERMISSION",
            Self::Invalid => "INVALID",
            Self::Failed => "NETLINK_FAILED",
        }
    }
}

/// An error with a stable code.
pub type Error = napi::Error<Code>;

/// What netlink functions return to JavaScript.
pub type Result<T> = std::result::Result<T, Error>;

/// An argument that cannot be used.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::Invalid, message.into())
}

/// The kernel's refusal of `tried`, with its own explanation where it gave one.
pub fn refused(tried: &str, cause: &io::Error, explanation: Option<&str>) -> Error {
    // Numbers and not `rustix::io::Errno`, which takes for granted that there is an error of that number.
    let code = match cause.raw_os_error() {
        Some(libc::EEXIST) => Code::Exists,
        Some(libc::ENOENT | libc::ESRCH | libc::ENODEV | libc::ENXIO | libc::EADDRNOTAVAIL) => Code::NotFound,
        Some(libc::EPERM | libc::EACCES) => Code::Permission,
        Some(libc::EINVAL | libc::ERANGE) => Code::Invalid,
        _ => Code::Failed,
    };
    let message = match explanation {
        Some(explanation) => format!("{tried}: {cause}: {explanation}"),
        None => format!("{tried}: {cause}"),
    };
    Error::new(code, message)
}

/// An answer of the kernel that does not have the shape that rtnetlink(7) gives it.
pub fn unreadable(tried: &str, cause: &DecodeError) -> Error {
    Error::new(
        Code::Failed,
        format!("{tried}: the kernel's answer cannot be read: {cause}"),
    )
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn errno_becomes_a_code() {
        let code = |errno: Errno| refused("x", &io::Error::from(errno), None).status;
        assert_eq!(code(Errno::EXIST), Code::Exists);
        assert_eq!(code(Errno::SRCH), Code::NotFound);
        assert_eq!(code(Errno::ADDRNOTAVAIL), Code::NotFound);
        assert_eq!(code(Errno::PERM), Code::Permission);
        assert_eq!(code(Errno::INVAL), Code::Invalid);
        assert_eq!(code(Errno::NETUNREACH), Code::Failed);
    }

    #[test]
    fn the_kernels_explanation_is_kept() {
        let error = refused(
            "route add",
            &io::Error::from(Errno::INVAL),
            Some("Invalid prefix"),
        );
        assert!(error.reason.starts_with("route add: "), "{}", error.reason);
        assert!(error.reason.ends_with(": Invalid prefix"), "{}", error.reason);
    }
}
