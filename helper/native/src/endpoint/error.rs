//! Errors of the endpoint as JavaScript sees them.

use std::io;

/// The `code` of an error thrown by the endpoint; its strings are part of the binding's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// An option or argument cannot be used: the message names it.
    InvalidArgument,
    /// Someone answers on the path, or something there is not a socket of ours.
    AddressInUse,
    /// Others than root and this uid could replace the socket in its directory.
    DirectoryUnsafe,
    /// The process may not create the socket there.
    Permission,
    /// Any other answer of the kernel.
    Failed,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::AddressInUse => "ADDRESS_IN_USE",
            Self::DirectoryUnsafe => "DIRECTORY_UNSAFE",
            Self::Permission => "PERMISSION",
            Self::Failed => "ENDPOINT_FAILED",
        }
    }
}

/// What functions of the endpoint return to JavaScript.
pub type Result<T> = std::result::Result<T, napi::Error<Code>>;

/// An error of `code` that says `message`.
pub fn error(code: Code, message: impl Into<String>) -> napi::Error<Code> {
    napi::Error::new(code, message.into())
}

/// An error that says what was tried and what the system answered.
pub fn refused(tried: &str, cause: &io::Error) -> napi::Error<Code> {
    let code = match cause.kind() {
        io::ErrorKind::PermissionDenied => Code::Permission,
        io::ErrorKind::AddrInUse => Code::AddressInUse,
        _ => Code::Failed,
    };
    error(code, format!("{tried}: {cause}"))
}
