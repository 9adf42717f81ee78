//! The vault: seals secrets under a master key that only native memory holds.

mod locked;
mod program;
mod vault;

use std::time::Duration;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use zeroize::{Zeroize, Zeroizing};

use self::locked::{KEY_LENGTH, LockedKey};
use self::program::Program;
pub use self::vault::OVERHEAD;
use self::vault::Unsealing;
use crate::error::{Code, Error, Result, error, system_error};
use crate::stack::wiped;

/// Room for a wrapped key: a TPM's blobs in base64 take about 1 KiB.
const WRAPPED_MAX: usize = 16 * 1024;

/// Seals secrets under one master key.
///
/// The key lies in memory that is neither swapped nor dumped nor inherited, and is wiped with the vault. Each
/// sealed secret is bound to its name. Functions throw `INVALID_ARGUMENT`, `SEAL_FAILED`, `SECRET_UNREADABLE` and
/// `STOPPED`.
#[napi]
pub struct Vault {
    key: Option<LockedKey>,
}

#[napi]
impl Vault {
    /// A vault with a new random key.
    #[napi(factory, catch_unwind)]
    pub fn generate() -> Result<Self> {
        Self::holding(LockedKey::random())
    }

    /// A vault with the given key of 32 bytes, which is wiped from the buffer, also when this throws.
    #[napi(factory, catch_unwind)]
    pub fn open(#[napi(ts_arg_type = "Uint8Array")] mut key: Buffer) -> Result<Self> {
        let copy = <&[u8; KEY_LENGTH]>::try_from(key.as_ref()).map(LockedKey::copy);
        let opened = copy.unwrap_or_else(|_| Err(std::io::ErrorKind::InvalidInput.into()));
        key.zeroize();
        Self::holding(opened)
    }

    /// A vault with the key that a program prints when it is given `wrapped`. Waits for it, at most
    /// `timeoutMs`; the key goes from its pipe into locked memory.
    #[napi(factory, catch_unwind)]
    pub fn unwrap(
        program: String,
        arguments: Vec<String>,
        #[napi(ts_arg_type = "Uint8Array")] wrapped: Buffer,
        timeout_ms: u32,
    ) -> Result<Self> {
        let mut key = LockedKey::zeroed().map_err(|cause| no_memory(&cause))?;
        let length = Program {
            path: &program,
            arguments: &arguments,
            timeout: Duration::from_millis(timeout_ms.into()),
        }
        .run(&wrapped, key.space())?;
        if length != KEY_LENGTH {
            return Err(error(
                Code::SealFailed,
                format!("{program} gave {length} bytes instead of a key of {KEY_LENGTH}"),
            ));
        }
        Ok(Self { key: Some(key) })
    }

    /// What a program makes of the key, which it gets through its standard input. Waits for it, at most
    /// `timeoutMs`.
    #[napi(catch_unwind)]
    pub fn wrap(&self, program: String, arguments: Vec<String>, timeout_ms: u32) -> Result<Buffer> {
        let mut wrapped = vec![0; WRAPPED_MAX];
        let length = Program {
            path: &program,
            arguments: &arguments,
            timeout: Duration::from_millis(timeout_ms.into()),
        }
        .run(self.key()?.bytes(), &mut wrapped)?;
        wrapped.truncate(length);
        Ok(wrapped.into())
    }

    /// A copy of the key, for the file that keeps it where nothing better does. Wipe it after use.
    #[napi(catch_unwind)]
    pub fn export_key(&self) -> Result<Buffer> {
        Ok(self.key()?.bytes().to_vec().into())
    }

    /// Whether both hold the same key.
    #[napi(catch_unwind)]
    pub fn equals(&self, other: &Vault) -> Result<bool> {
        let pairs = self.key()?.bytes().iter().zip(other.key()?.bytes());
        Ok(pairs.fold(0, |difference, (one, two)| difference | (one ^ two)) == 0)
    }

    /// Whether the kernel keeps the key out of swap and dumps; false where a limit on locked memory forbade it.
    #[napi(getter)]
    pub fn is_locked(&self) -> bool {
        self.key.as_ref().is_some_and(LockedKey::is_locked)
    }

    /// Encrypts a secret of at most 1 MiB for a name.
    #[napi(catch_unwind)]
    pub fn seal(&self, name: String, #[napi(ts_arg_type = "Uint8Array")] secret: Buffer) -> Result<Buffer> {
        if secret.len() > vault::PLAIN_MAX {
            return Err(error(
                Code::InvalidArgument,
                format!("a secret has at most {} bytes", vault::PLAIN_MAX),
            ));
        }
        let key = self.key()?;
        wiped(|| vault::seal(key, &name, &secret))
            .map(Buffer::from)
            .map_err(|cause| system_error(Code::SealFailed, "cannot seal a secret", &cause))
    }

    /// Decrypts a secret that was sealed for the same name. Wipe it after use.
    #[napi(catch_unwind)]
    pub fn unseal(&self, name: String, #[napi(ts_arg_type = "Uint8Array")] sealed: Buffer) -> Result<Buffer> {
        wiped(|| {
            let mut plain = self.open_secret(&name, &sealed)?;
            Ok(std::mem::take(&mut *plain).into())
        })
    }

    /// Wipes the key now. Afterwards nothing can be sealed or unsealed; closing twice does nothing.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.key = None;
    }

    fn holding(key: std::io::Result<LockedKey>) -> Result<Self> {
        match key {
            Ok(key) => Ok(Self { key: Some(key) }),
            Err(cause) if cause.kind() == std::io::ErrorKind::InvalidInput => Err(error(
                Code::InvalidArgument,
                format!("a master key has {KEY_LENGTH} bytes"),
            )),
            Err(cause) => Err(no_memory(&cause)),
        }
    }

    fn key(&self) -> Result<&LockedKey> {
        self.key
            .as_ref()
            .ok_or_else(|| error(Code::Stopped, "the vault was closed"))
    }
}

impl Vault {
    /// Decrypts for native use: what it returns is wiped when dropped.
    pub(crate) fn open_secret(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        vault::unseal(self.key()?, name, sealed).map_err(|why| {
            let why = match why {
                Unsealing::NotSealed => "was never sealed",
                Unsealing::Refused => "was sealed with another key or for another name, or is damaged",
            };
            error(Code::SecretUnreadable, format!("the secret {name} {why}"))
        })
    }
}

fn no_memory(cause: &std::io::Error) -> Error {
    system_error(Code::Failed, "cannot get memory for a key", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_a_program_kept_is_the_same_key() {
        let vault = Vault::generate().expect("a vault");
        let wrapped = vault.wrap("/bin/cat".into(), Vec::new(), 2000).expect("wrapped");
        let again = Vault::unwrap("/bin/cat".into(), Vec::new(), wrapped, 2000).expect("unwrapped");
        assert!(vault.equals(&again).expect("compared"));
        assert!(
            !vault
                .equals(&Vault::generate().expect("another"))
                .expect("compared")
        );
        let sealed = vault.seal("a".into(), b"secret".to_vec().into()).expect("sealed");
        assert_eq!(
            again.open_secret("a", &sealed).expect("opened").as_slice(),
            b"secret"
        );
    }

    #[test]
    fn a_program_that_gives_no_key_gives_no_vault() {
        for length in [0, 31, 33] {
            let refused = Vault::unwrap("/bin/cat".into(), Vec::new(), vec![7; length].into(), 2000);
            assert_eq!(
                refused.map(|_| ()).expect_err("a refusal").status,
                Code::SealFailed
            );
        }
    }

    #[test]
    fn a_closed_vault_opens_nothing() {
        let mut vault = Vault::generate().expect("a vault");
        vault.close();
        vault.close();
        assert!(!vault.is_locked());
        assert_eq!(
            vault.open_secret("a", &[]).expect_err("a refusal").status,
            Code::Stopped
        );
    }
}
