//! Keys from passwords: RFC 7292, appendix B, and PBKDF2, under one bound of work.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Reader};
use hmac::{Hmac, Mac};
use pkcs12::kdf::{Pkcs12KeyType, derive_key};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::failure::{Failure, Result};

/// Hash iterations that are carried out for one file, all its keys and tries together. Files made by today's
/// programs need up to about 4 million.
pub const WORK_MAX: u64 = 10_000_000;

/// What is left of `WORK_MAX`.
pub struct Work(u64);

impl Work {
    pub fn new() -> Self {
        Self(WORK_MAX)
    }

    /// Takes what `blocks` of output cost. Refused before anything is computed.
    fn take(&mut self, iterations: u32, blocks: usize) -> Result<()> {
        let cost = u64::from(iterations).saturating_mul(blocks.max(1) as u64);
        self.0 = self.0.checked_sub(cost).ok_or(Failure::Unsupported)?;
        Ok(())
    }
}

/// A hash function that such files name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub fn of(oid: ObjectIdentifier) -> Result<Self> {
        match oid.to_string().as_str() {
            "1.3.14.3.2.26" => Ok(Self::Sha1),
            "2.16.840.1.101.3.4.2.4" => Ok(Self::Sha224),
            "2.16.840.1.101.3.4.2.1" => Ok(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Ok(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Ok(Self::Sha512),
            _ => Err(Failure::Unsupported),
        }
    }

    /// The hash of an `hmacWithSHA…`. Some programs write it with `NULL` behind it and some without, so nobody looks.
    pub fn of_hmac(oid: ObjectIdentifier) -> Result<Self> {
        match oid.to_string().as_str() {
            "1.2.840.113549.2.7" => Ok(Self::Sha1),
            "1.2.840.113549.2.8" => Ok(Self::Sha224),
            "1.2.840.113549.2.9" => Ok(Self::Sha256),
            "1.2.840.113549.2.10" => Ok(Self::Sha384),
            "1.2.840.113549.2.11" => Ok(Self::Sha512),
            _ => Err(Failure::Unsupported),
        }
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether `expected` is the whole HMAC of `data`, compared in constant time.
    pub fn verifies(self, key: &[u8], data: &[u8], expected: &[u8]) -> bool {
        macro_rules! verify {
            ($hash:ty) => {
                <Hmac<$hash> as Mac>::new_from_slice(key)
                    .is_ok_and(|mac| mac.chain_update(data).verify_slice(expected).is_ok())
            };
        }
        match self {
            Self::Sha1 => verify!(Sha1),
            Self::Sha224 => verify!(Sha224),
            Self::Sha256 => verify!(Sha256),
            Self::Sha384 => verify!(Sha384),
            Self::Sha512 => verify!(Sha512),
        }
    }
}

/// What a key of RFC 7292 is derived for.
#[derive(Clone, Copy)]
pub enum Purpose {
    Encryption,
    Iv,
    Mac,
}

/// RFC 7292, appendix B.2. `password` is one of `Password::wide_forms`.
pub fn pkcs12_key(
    hash: Hash,
    purpose: Purpose,
    password: &[u8],
    (salt, iterations): (&[u8], u32),
    length: usize,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>> {
    work.take(iterations, length.div_ceil(hash.size()))?;
    let rounds = i32::try_from(iterations).map_err(|_| Failure::Unsupported)?;
    let purpose = match purpose {
        Purpose::Encryption => Pkcs12KeyType::EncryptionKey,
        Purpose::Iv => Pkcs12KeyType::Iv,
        Purpose::Mac => Pkcs12KeyType::Mac,
    };
    Ok(Zeroizing::new(match hash {
        Hash::Sha1 => derive_key::<Sha1>(password, salt, purpose, rounds, length),
        Hash::Sha224 => derive_key::<Sha224>(password, salt, purpose, rounds, length),
        Hash::Sha256 => derive_key::<Sha256>(password, salt, purpose, rounds, length),
        Hash::Sha384 => derive_key::<Sha384>(password, salt, purpose, rounds, length),
        Hash::Sha512 => derive_key::<Sha512>(password, salt, purpose, rounds, length),
    }))
}

/// PBKDF2's parameters (RFC 8018, appendix A.2).
pub struct Pbkdf2<'a> {
    salt: &'a [u8],
    iterations: u32,
    /// In bytes, where it is named.
    pub key_length: Option<u16>,
    hash: Hash,
}

impl<'a> Pbkdf2<'a> {
    /// Anything else that derives keys, as scrypt, is not supported.
    pub fn of(algorithm: &AlgorithmIdentifierRef<'a>) -> Result<Self> {
        if algorithm.oid.to_string() != "1.2.840.113549.1.5.12" {
            return Err(Failure::Unsupported);
        }
        let parameters = algorithm.parameters.ok_or(Failure::Malformed)?;
        let (salt, iterations, key_length, prf) = parameters.sequence(|reader| {
            Ok((
                reader.decode::<OctetStringRef<'_>>()?.as_bytes(),
                reader.decode::<u32>()?,
                reader.decode::<Option<u16>>()?,
                reader.decode::<Option<AlgorithmIdentifierRef<'_>>>()?,
            ))
        })?;
        if iterations == 0 {
            return Err(Failure::Malformed);
        }
        let hash = prf.map_or(Ok(Hash::Sha1), |prf| Hash::of_hmac(prf.oid))?;
        Ok(Self {
            salt,
            iterations,
            key_length,
            hash,
        })
    }
}

/// RFC 8018, section 5.2.
pub fn pbkdf2_key(
    parameters: &Pbkdf2<'_>,
    password: &[u8],
    length: usize,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>> {
    if parameters
        .key_length
        .is_some_and(|named| usize::from(named) != length)
    {
        return Err(Failure::Malformed);
    }
    let Pbkdf2 {
        salt,
        iterations: rounds,
        hash,
        ..
    } = *parameters;
    work.take(rounds, length.div_ceil(hash.size()))?;
    let mut key = Zeroizing::new(vec![0; length]);
    match hash {
        Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut key),
        Hash::Sha224 => pbkdf2::pbkdf2_hmac::<Sha224>(password, salt, rounds, &mut key),
        Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut key),
        Hash::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>(password, salt, rounds, &mut key),
        Hash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut key),
    }
    Ok(key)
}

/// Two algorithms in a sequence: the parameters of PBES2 and of PBMAC1.
pub fn pair<'a>(
    parameters: Option<AnyRef<'a>>,
) -> Result<(AlgorithmIdentifierRef<'a>, AlgorithmIdentifierRef<'a>)> {
    let parameters = parameters.ok_or(Failure::Malformed)?;
    Ok(parameters.sequence(|reader| {
        Ok((
            AlgorithmIdentifierRef::decode(reader)?,
            AlgorithmIdentifierRef::decode(reader)?,
        ))
    })?)
}

/// An algorithm as DER, to be read again by reference.
pub fn encoded(algorithm: &impl Encode) -> Result<Vec<u8>> {
    Ok(algorithm.to_der()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_bounded_in_sum() {
        let mut work = Work::new();
        assert_eq!(work.take(6_000_000, 1), Ok(()));
        assert_eq!(work.take(2_000_001, 2), Err(Failure::Unsupported));
        assert_eq!(work.take(2_000_000, 2), Ok(()));
        assert_eq!(work.take(1, 0), Err(Failure::Unsupported));
        assert_eq!(Work::new().take(u32::MAX, usize::MAX), Err(Failure::Unsupported));
    }

    #[test]
    fn derivation_is_that_of_pkcs_12() {
        // Held against OpenSSL's KDF `PKCS12KDF` (`openssl kdf`): SHA-1, "smeg", salt 0A58CF64530D823F.
        let password = b"\0s\0m\0e\0g\0\0";
        let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
        let key = pkcs12_key(
            Hash::Sha1,
            Purpose::Encryption,
            password,
            (&salt, 1),
            24,
            &mut Work::new(),
        );
        assert_eq!(
            key.expect("a key").as_slice(),
            [
                0x8a, 0xaa, 0xe6, 0x29, 0x7b, 0x6c, 0xb0, 0x46, 0x42, 0xab, 0x5b, 0x07, 0x78, 0x51, 0x28,
                0x4e, 0xb7, 0x12, 0x8f, 0x1a, 0x2a, 0x7f, 0xbc, 0xa3
            ]
        );
    }
}
