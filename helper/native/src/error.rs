//! Errors that cross into JavaScript: an `Error` whose `code` is stable and whose message is a sentence.

use std::io;

/// The `code` of an error thrown by the data plane. Its strings are part of the binding's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// An argument cannot be used: the message names it.
    InvalidArgument,
    /// `/dev/net/tun` does not exist or has no driver behind it.
    TunUnavailable,
    /// Opening `/dev/net/tun` or creating the interface was refused.
    TunPermission,
    /// An interface of that name exists, or the device already carries another data plane.
    TunBusy,
    /// Any other failure of the TUN device.
    TunFailed,
    /// The UDP port is taken by another socket.
    PortInUse,
    /// A UDP socket could not be created or set up.
    SocketFailed,
    /// A key file is missing or unreadable.
    KeyUnavailable,
    /// A key file is not a regular file of 32 bytes that only its owner can read.
    KeyRefused,
    /// A sealed secret does not open: another key or name, damage, or never sealed.
    SecretUnreadable,
    /// A program that should seal or unseal a key failed, or a secret could not be sealed.
    SealFailed,
    /// The object was stopped or closed.
    Stopped,
    /// The WireGuard engine refused, or the runtime could not start.
    Failed,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::TunUnavailable => "TUN_UNAVAILABLE",
            Self::TunPermission => "TUN_PERMISSION",
            Self::TunBusy => "TUN_BUSY",
            Self::TunFailed => "TUN_FAILED",
            Self::PortInUse => "PORT_IN_USE",
            Self::SocketFailed => "SOCKET_FAILED",
            Self::KeyUnavailable => "KEY_UNAVAILABLE",
            Self::KeyRefused => "KEY_REFUSED",
            Self::SecretUnreadable => "SECRET_UNREADABLE",
            Self::SealFailed => "SEAL_FAILED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        }
    }
}

/// An error with a stable code.
pub type Error = napi::Error<Code>;

/// What functions of the data plane return to JavaScript.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `code` that says `message`.
pub fn error(code: Code, message: impl Into<String>) -> Error {
    Error::new(code, message.into())
}

/// An error of `code` that says what was tried and what the system answered.
pub fn system_error(code: Code, tried: &str, cause: &io::Error) -> Error {
    error(code, format!("{tried}: {cause}"))
}
