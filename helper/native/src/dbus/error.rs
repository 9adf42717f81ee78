//! Errors of the bus as JavaScript sees them.

use std::io::ErrorKind;

use zbus::fdo;

/// The `code` of an error thrown by a D-Bus function; its strings are part of the binding's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// There is no system bus, or it does not let this process in.
    BusUnavailable,
    /// Nobody on the bus has the service's name.
    ServiceUnavailable,
    /// No answer in time.
    TimedOut,
    /// The bus or the service does not allow it.
    Permission,
    /// An argument cannot be used, or the service says so.
    Invalid,
    /// The service does not know the interface.
    NotFound,
    /// Any other answer of the service.
    Failed,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::BusUnavailable => "BUS_UNAVAILABLE",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::TimedOut => "TIMED_OUT",
            Self::Permission => "PERMISSION",
            Self::Invalid => "INVALID",
            Self::NotFound => "NOT_FOUND",
            Self::Failed => "BUS_FAILED",
        }
    }
}

/// An error with a stable code.
pub type Error = napi::Error<Code>;

/// What functions of the bus return to JavaScript.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of `code` that says `message`.
pub fn error(code: Code, message: impl Into<String>) -> Error {
    Error::new(code, message.into())
}

/// What the bus or a service answered to `tried`.
pub fn refused(tried: &str, cause: &zbus::Error) -> Error {
    let code = match cause {
        zbus::Error::InputOutput(cause) if cause.kind() == ErrorKind::TimedOut => Code::TimedOut,
        zbus::Error::InputOutput(_) | zbus::Error::Handshake(_) => Code::BusUnavailable,
        zbus::Error::FDO(cause) => standard(cause),
        zbus::Error::MethodError(name, ..) if name.as_str().ends_with(".NoSuchLink") => Code::NotFound,
        _ => Code::Failed,
    };
    error(code, format!("{tried}: {cause}"))
}

fn standard(cause: &fdo::Error) -> Code {
    match cause {
        fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => Code::ServiceUnavailable,
        fdo::Error::AccessDenied(_)
        | fdo::Error::AuthFailed(_)
        | fdo::Error::InteractiveAuthorizationRequired(_) => Code::Permission,
        fdo::Error::InvalidArgs(_) => Code::Invalid,
        fdo::Error::Timeout(_) | fdo::Error::TimedOut(_) | fdo::Error::NoReply(_) => Code::TimedOut,
        _ => Code::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_become_codes() {
        let code = |cause: zbus::Error| refused("x", &cause).status;
        let standard = |cause: fdo::Error| code(zbus::Error::FDO(Box::new(cause)));
        assert_eq!(
            standard(fdo::Error::ServiceUnknown("x".into())),
            Code::ServiceUnavailable
        );
        assert_eq!(standard(fdo::Error::AccessDenied("x".into())), Code::Permission);
        assert_eq!(standard(fdo::Error::InvalidArgs("x".into())), Code::Invalid);
        assert_eq!(code(zbus::Error::Handshake("x".into())), Code::BusUnavailable);
        assert_eq!(code(zbus::Error::Failure("x".into())), Code::Failed);
    }
}
