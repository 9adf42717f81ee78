//! The structure of a file (RFC 7292): from bytes and a password to keys and certificates.

use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetString, OctetStringRef};
use der::{Decode, Encode, Reader, Tag, TagNumber, Tagged};
use pkcs12::authenticated_safe::AuthenticatedSafe;
use pkcs12::cert_type::CertBag;
use pkcs12::pfx::Pfx;
use pkcs12::safe_bag::SafeContents;
use spki::AlgorithmIdentifierRef;
use zeroize::{Zeroize, Zeroizing};

use super::ber::{join, to_der};
use super::decrypt::decrypt;
use super::derive::Work;
use super::failure::{Failure, Result};
use super::mac;
use super::password::Password;

/// Largest file, in bytes.
pub const FILE_MAX: usize = 256 * 1024;
/// Most keys, and most certificates.
const PARTS_MAX: usize = 64;
/// How deep bags may lie in bags.
const BAG_DEPTH: usize = 4;

const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";

/// What a file held, in its order.
#[derive(Default)]
pub struct Content {
    /// PKCS#8, DER.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
    /// X.509, DER as it was written.
    pub certificates: Vec<Vec<u8>>,
}

/// Reads a whole file. Never panics, and never takes more work than `derive::WORK_MAX`.
pub fn read(file: &[u8], password: &Password) -> Result<Content> {
    if file.len() > FILE_MAX {
        return Err(Failure::TooLarge);
    }
    let file = to_der(file)?;
    let pfx = Pfx::from_der(&file)?;
    if !is(&pfx.auth_safe.content_type, DATA) {
        // Signed instead of authenticated by a password.
        return Err(Failure::Unsupported);
    }
    let authenticated = pfx
        .auth_safe
        .content
        .decode_as::<OctetStringRef<'_>>()?
        .as_bytes();
    let mut reading = Reading {
        password,
        work: Work::new(),
        content: Content::default(),
    };
    if let Some(mac) = &pfx.mac_data {
        mac::verify(mac, password, authenticated, &mut reading.work)?;
    }
    let authenticated = to_der(authenticated)?;
    for part in AuthenticatedSafe::from_der(&authenticated)? {
        if is(&part.content_type, DATA) {
            let bags = part.content.decode_as::<OctetStringRef<'_>>()?;
            reading.bags(&to_der(bags.as_bytes())?, 0)?;
        } else if is(&part.content_type, ENCRYPTED_DATA) {
            let part = Zeroizing::new(part.content.to_der()?);
            let bags = reading.encrypted(&part)?;
            reading.bags(&bags, 0)?;
        } else {
            return Err(Failure::Unsupported);
        }
    }
    Ok(reading.content)
}

struct Reading<'a> {
    password: &'a Password,
    work: Work,
    content: Content,
}

impl Reading<'_> {
    /// The plaintext of an `EncryptedData` (RFC 5652, section 8) as DER.
    fn encrypted(&mut self, part: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (algorithm, text) = AnyRef::from_der(part)?.sequence(|reader| {
            let _version: u8 = reader.decode()?;
            let info = reader.sequence(|reader| {
                let _content_type: ObjectIdentifier = reader.decode()?;
                let algorithm: AlgorithmIdentifierRef<'_> = reader.decode()?;
                Ok((algorithm, reader.decode::<AnyRef<'_>>()?))
            });
            // Attributes that are not protected say nothing here.
            while !reader.is_finished() {
                let _: AnyRef<'_> = reader.decode()?;
            }
            info
        })?;
        // Written as an implicit string: in one piece, or in BER as a sequence of pieces.
        let text = match text.tag() {
            Tag::ContextSpecific {
                constructed: false,
                number: TagNumber::N0,
            } => Zeroizing::new(text.value().to_vec()),
            Tag::ContextSpecific {
                constructed: true,
                number: TagNumber::N0,
            } => join(text.value())?,
            _ => return Err(Failure::Malformed),
        };
        self.decrypted(&algorithm, &text)
    }

    /// What was encrypted, which is a sequence in every place.
    fn decrypted(
        &mut self,
        algorithm: &AlgorithmIdentifierRef<'_>,
        text: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let plain = decrypt(algorithm, self.password, text, &mut self.work, |plain| {
            plain.first() == Some(&0x30) && to_der(plain).is_ok()
        })?;
        to_der(&plain)
    }

    fn bags(&mut self, bags: &[u8], depth: usize) -> Result<()> {
        if depth > BAG_DEPTH {
            return Err(Failure::Malformed);
        }
        let mut bags = SafeContents::from_der(bags)?;
        let result = bags
            .iter()
            .try_for_each(|bag| self.bag(&bag.bag_id, &bag.bag_value, depth));
        for bag in &mut bags {
            bag.bag_value.zeroize();
        }
        result
    }

    /// One bag; those that hold revocation lists and other secrets are passed over.
    fn bag(&mut self, kind: &ObjectIdentifier, value: &[u8], depth: usize) -> Result<()> {
        let value = ContextSpecific::<AnyRef<'_>>::from_der(value)?.value;
        match kind.to_string().as_str() {
            "1.2.840.113549.1.12.10.1.1" => self.key(Zeroizing::new(value.to_der()?)),
            "1.2.840.113549.1.12.10.1.2" => {
                let (algorithm, text) = value.sequence(|reader| {
                    Ok((
                        reader.decode::<AlgorithmIdentifierRef<'_>>()?,
                        reader.decode::<OctetStringRef<'_>>()?,
                    ))
                })?;
                let key = self.decrypted(&algorithm, text.as_bytes())?;
                self.key(key)
            }
            "1.2.840.113549.1.12.10.1.3" => self.certificate(&value.decode_as::<CertBag>()?),
            "1.2.840.113549.1.12.10.1.6" => self.bags(&Zeroizing::new(value.to_der()?), depth + 1),
            _ => Ok(()),
        }
    }

    fn key(&mut self, key: Zeroizing<Vec<u8>>) -> Result<()> {
        let algorithm = AnyRef::from_der(&key)?.sequence(|reader| {
            let _version: u8 = reader.decode()?;
            let algorithm: AlgorithmIdentifierRef<'_> = reader.decode()?;
            let _key: OctetStringRef<'_> = reader.decode()?;
            while !reader.is_finished() {
                let _: AnyRef<'_> = reader.decode()?;
            }
            Ok(algorithm)
        })?;
        if !is_usable(&algorithm) {
            return Err(Failure::Unsupported);
        }
        if self.content.keys.len() >= PARTS_MAX {
            return Err(Failure::TooLarge);
        }
        self.content.keys.push(key);
        Ok(())
    }

    fn certificate(&mut self, bag: &CertBag) -> Result<()> {
        if !is(&bag.cert_id, X509_CERTIFICATE) {
            return Ok(());
        }
        if self.content.certificates.len() >= PARTS_MAX {
            return Err(Failure::TooLarge);
        }
        let certificate: &OctetString = &bag.cert_value;
        self.content.certificates.push(certificate.as_bytes().to_vec());
        Ok(())
    }
}

/// RSA, and EC on the curves P-256, P-384 and P-521 by name: a curve that a file spells out is not to be trusted.
fn is_usable(algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    match algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => true,
        "1.2.840.10045.2.1" => algorithm
            .parameters
            .and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok())
            .is_some_and(|curve| {
                ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"].contains(&curve.to_string().as_str())
            }),
        _ => false,
    }
}

fn is(oid: &ObjectIdentifier, name: &str) -> bool {
    oid.to_string() == name
}
