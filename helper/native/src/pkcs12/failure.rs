//! Why a file gives no identity.

/// What is told apart; the strings are part of the binding's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The MAC does not match, or what was decrypted has no padding or no form.
    WrongPassword,
    /// No PKCS#12 file, or one whose structure is broken.
    Malformed,
    /// An algorithm or a kind of protection that is not read; also more iterations than are carried out.
    Unsupported,
    /// The file, or the number of its parts, is above the bounds.
    TooLarge,
}

impl Failure {
    /// The `problem` that JavaScript sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrongPassword",
            Self::Malformed => "malformedFile",
            Self::Unsupported => "unsupportedAlgorithm",
            Self::TooLarge => "tooLarge",
        }
    }
}

/// What DER refuses is broken, but an algorithm that nobody knows is not supported.
impl From<der::Error> for Failure {
    fn from(cause: der::Error) -> Self {
        match cause.kind() {
            der::ErrorKind::OidUnknown { .. } => Self::Unsupported,
            _ => Self::Malformed,
        }
    }
}

/// What reading a part of a file gives.
pub type Result<T> = std::result::Result<T, Failure>;
