//! PKCS#12 files (RFC 7292): keys and certificates out of bytes and a password.

mod ber;
mod decrypt;
mod derive;
mod failure;
mod mac;
mod password;
mod read;

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi::{Env, Task};
use napi_derive::napi;
use zeroize::Zeroizing;

use self::failure::Failure;
use self::password::Password;
use self::read::{Content, read};

/// What a PKCS#12 file held, or why it could not be read.
#[napi(object, object_from_js = false)]
pub struct Pkcs12Content {
    /// `wrongPassword`, `malformedFile`, `unsupportedAlgorithm` or `tooLarge`; absent when it was read.
    pub problem: Option<String>,
    /// Private keys, RSA or EC, as PKCS#8 in DER, in the file's order. Wipe them after use.
    pub keys: Vec<Buffer>,
    /// X.509 in DER, in the file's order.
    pub certificates: Vec<Buffer>,
}

/// Reading off JavaScript's thread: deriving keys may take seconds.
pub struct ReadPkcs12 {
    file: Zeroizing<Vec<u8>>,
    password: Zeroizing<Vec<u8>>,
}

impl Task for ReadPkcs12 {
    type Output = Result<Content, Failure>;
    type JsValue = Pkcs12Content;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let password = Password::new(std::mem::take(&mut self.password));
        // No panic is known; one that a file found would end the helper.
        Ok(catch_unwind(AssertUnwindSafe(|| {
            read(&self.file, &password.ok_or(Failure::WrongPassword)?)
        }))
        .unwrap_or(Err(Failure::Malformed)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(match output {
            Ok(content) => Pkcs12Content {
                problem: None,
                keys: content
                    .keys
                    .into_iter()
                    .map(|mut key| std::mem::take(&mut *key).into())
                    .collect(),
                certificates: content.certificates.into_iter().map(Into::into).collect(),
            },
            Err(failure) => Pkcs12Content {
                problem: Some(failure.name().into()),
                keys: Vec::new(),
                certificates: Vec::new(),
            },
        })
    }
}

/// Reads a PKCS#12 file of at most 256 KiB with its password in UTF-8. Both are copied; the copies are wiped.
///
/// At most ten million iterations are spent on a file, whatever it asks for.
#[napi(catch_unwind, ts_return_type = "Promise<Pkcs12Content>")]
pub fn read_pkcs12(
    #[napi(ts_arg_type = "Uint8Array")] file: Buffer,
    #[napi(ts_arg_type = "Uint8Array")] password: Buffer,
) -> AsyncTask<ReadPkcs12> {
    let kept = file.len().min(read::FILE_MAX + 1);
    AsyncTask::new(ReadPkcs12 {
        file: Zeroizing::new(file[..kept].to_vec()),
        password: Zeroizing::new(password.to_vec()),
    })
}
