//! The MAC over a file's content: RFC 7292, section 4, and PBMAC1 (RFC 9579).

use der::Decode;
use pkcs12::mac_data::MacData;
use spki::AlgorithmIdentifierRef;

use super::derive::{Hash, Pbkdf2, Purpose, Work, encoded, pair, pbkdf2_key, pkcs12_key};
use super::failure::{Failure, Result};
use super::password::Password;

const PBMAC1: &str = "1.2.840.113549.1.5.14";

/// Fails with `WrongPassword` when the MAC does not match.
pub fn verify(mac: &MacData, password: &Password, content: &[u8], work: &mut Work) -> Result<()> {
    let algorithm = encoded(&mac.mac.algorithm)?;
    let algorithm = AlgorithmIdentifierRef::from_der(&algorithm)?;
    let expected = mac.mac.digest.as_bytes();
    if algorithm.oid.to_string() == PBMAC1 {
        let (kdf, scheme) = pair(algorithm.parameters)?;
        let hash = Hash::of_hmac(scheme.oid)?;
        let parameters = Pbkdf2::of(&kdf)?;
        // RFC 9579 wants the length named, and no short key that anybody would find.
        let length = parameters.key_length.map_or(0, usize::from);
        if !(20..=128).contains(&length) {
            return Err(Failure::Malformed);
        }
        let key = pbkdf2_key(&parameters, password.utf8(), length, work)?;
        return matched(hash.verifies(&key, content, expected));
    }
    let hash = Hash::of(algorithm.oid)?;
    let iterations = u32::try_from(mac.iterations)
        .map_err(|_| Failure::Malformed)?
        .max(1);
    let derivation = (mac.mac_salt.as_bytes(), iterations);
    for form in password.wide_forms() {
        let key = pkcs12_key(hash, Purpose::Mac, form, derivation, hash.size(), work)?;
        if hash.verifies(&key, content, expected) {
            return Ok(());
        }
    }
    Err(Failure::WrongPassword)
}

fn matched(is_match: bool) -> Result<()> {
    if is_match {
        Ok(())
    } else {
        Err(Failure::WrongPassword)
    }
}
