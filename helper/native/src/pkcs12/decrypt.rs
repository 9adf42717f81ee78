//! Decryption of the parts of a file: PBES2 (RFC 8018) and the older schemes of RFC 7292, appendix C.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, InnerIvInit, KeyInit};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Reader as _};
use des::{TdesEde2, TdesEde3};
use rc2::Rc2;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::derive::{Hash, Pbkdf2, Purpose, Work, pair, pbkdf2_key, pkcs12_key};
use super::failure::{Failure, Result};
use super::password::Password;

/// A block cipher with the length of its key in bytes; all in CBC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    TripleDes2,
    Rc2 { key: usize },
}

impl Cipher {
    fn key_length(self) -> usize {
        match self {
            Self::Aes128 | Self::TripleDes2 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2 { key } => key,
        }
    }

    fn block(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            _ => 8,
        }
    }

    fn decrypt(self, key: &[u8], iv: &[u8], text: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        if text.is_empty() || !text.len().is_multiple_of(self.block()) || iv.len() != self.block() {
            return Err(Failure::Malformed);
        }
        match self {
            Self::Aes128 => cbc_decrypt::<Aes128>(key, iv, text),
            Self::Aes192 => cbc_decrypt::<Aes192>(key, iv, text),
            Self::Aes256 => cbc_decrypt::<Aes256>(key, iv, text),
            Self::TripleDes => cbc_decrypt::<TdesEde3>(key, iv, text),
            Self::TripleDes2 => cbc_decrypt::<TdesEde2>(key, iv, text),
            Self::Rc2 { .. } => cbc_decrypt::<Rc2>(key, iv, text),
        }
    }
}

/// RC2 takes as many effective bits as its key has, which is what the schemes mean.
fn cbc_decrypt<C>(key: &[u8], iv: &[u8], text: &[u8]) -> Result<Zeroizing<Vec<u8>>>
where
    C: BlockDecryptMut + BlockCipher + KeyInit,
{
    let cipher = C::new_from_slice(key).map_err(|_| Failure::Malformed)?;
    let mode = Decryptor::<C>::inner_iv_slice_init(cipher, iv).map_err(|_| Failure::Malformed)?;
    let mut plain = Zeroizing::new(text.to_vec());
    let length = mode
        .decrypt_padded_mut::<Pkcs7>(&mut plain)
        .map_err(|_| Failure::WrongPassword)?
        .len();
    plain.truncate(length);
    Ok(plain)
}

/// What `text` says under `password`.
///
/// Padding can fit by chance under a wrong password; `is_plausible` looks at what came of it.
pub fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    password: &Password,
    text: &[u8],
    work: &mut Work,
    is_plausible: impl Fn(&[u8]) -> bool,
) -> Result<Zeroizing<Vec<u8>>> {
    let accept = |plain: Zeroizing<Vec<u8>>| {
        if is_plausible(&plain) {
            Ok(plain)
        } else {
            Err(Failure::WrongPassword)
        }
    };
    let cipher = match algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.5.13" => {
            return pbes2(algorithm.parameters, password, text, work).and_then(accept);
        }
        "1.2.840.113549.1.12.1.3" => Cipher::TripleDes,
        "1.2.840.113549.1.12.1.4" => Cipher::TripleDes2,
        "1.2.840.113549.1.12.1.5" => Cipher::Rc2 { key: 16 },
        "1.2.840.113549.1.12.1.6" => Cipher::Rc2 { key: 5 },
        _ => return Err(Failure::Unsupported),
    };
    let derivation = derivation(algorithm.parameters)?;
    let mut result = Err(Failure::WrongPassword);
    for form in password.wide_forms() {
        let key = pkcs12_key(
            Hash::Sha1,
            Purpose::Encryption,
            form,
            derivation,
            cipher.key_length(),
            work,
        )?;
        let iv = pkcs12_key(Hash::Sha1, Purpose::Iv, form, derivation, cipher.block(), work)?;
        result = cipher.decrypt(&key, &iv, text).and_then(accept);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Salt and iterations.
fn derivation<'a>(parameters: Option<AnyRef<'a>>) -> Result<(&'a [u8], u32)> {
    let parameters = parameters.ok_or(Failure::Malformed)?;
    let (salt, iterations) = parameters.sequence(|reader| {
        Ok((
            OctetStringRef::decode(reader)?.as_bytes(),
            reader.decode::<u32>()?,
        ))
    })?;
    if iterations == 0 {
        Err(Failure::Malformed)
    } else {
        Ok((salt, iterations))
    }
}

fn pbes2(
    parameters: Option<AnyRef<'_>>,
    password: &Password,
    text: &[u8],
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>> {
    let (kdf, encryption) = pair(parameters)?;
    let cipher = match encryption.oid.to_string().as_str() {
        "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
        "2.16.840.1.101.3.4.1.22" => Cipher::Aes192,
        "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
        "1.2.840.113549.3.7" => Cipher::TripleDes,
        _ => return Err(Failure::Unsupported),
    };
    let iv = encryption
        .parameters
        .ok_or(Failure::Malformed)?
        .decode_as::<OctetStringRef<'_>>()?;
    let key = pbkdf2_key(&Pbkdf2::of(&kdf)?, password.utf8(), cipher.key_length(), work)?;
    cipher.decrypt(&key, iv.as_bytes(), text)
}
