//! Sealing: each secret encrypted and bound to its name.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), whose nonces of 24 bytes may be random without counting them.
//! A sealed secret is `HEAD`, the nonce, the ciphertext and the tag; head and name are authenticated with it, so
//! that neither the form nor the file of one secret passes for another's.

use std::io;

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::locked::LockedKey;

/// What every sealed secret begins with; the last two bytes are the version of the form.
pub const HEAD: [u8; 8] = *b"SPSEAL\x00\x01";
const NONCE: usize = 24;
const TAG: usize = 16;
/// How much longer a sealed secret is than what it holds, in bytes.
pub const OVERHEAD: usize = HEAD.len() + NONCE + TAG;
/// Largest secret, in bytes.
pub const PLAIN_MAX: usize = 1024 * 1024;

/// Why a sealed secret does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsealing {
    /// It does not begin as sealed secrets of this version do.
    NotSealed,
    /// Another key, another name, or damage.
    Refused,
}

/// Whether `bytes` begin as a sealed secret.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&HEAD)
}

/// Encrypts `plain` for `name`.
pub fn seal(key: &LockedKey, name: &str, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
    sealed.extend_from_slice(&HEAD);
    sealed.resize(HEAD.len() + NONCE, 0);
    random(&mut sealed[HEAD.len()..])?;
    sealed.extend_from_slice(plain);
    let (head, text) = sealed.split_at_mut(HEAD.len() + NONCE);
    let nonce = XNonce::from_slice(&head[HEAD.len()..]);
    let tag = cipher(key)
        .encrypt_in_place_detached(nonce, &associated(name), text)
        .map_err(|_| io::Error::other("the secret is too large to be sealed"))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Decrypts what `seal` made of the same key and name.
pub fn unseal(key: &LockedKey, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealing> {
    if !is_sealed(sealed) {
        return Err(Unsealing::NotSealed);
    }
    let body = &sealed[HEAD.len()..];
    let Some(length) = body.len().checked_sub(NONCE + TAG) else {
        return Err(Unsealing::Refused);
    };
    let (nonce, body) = body.split_at(NONCE);
    let (text, tag) = body.split_at(length);
    let mut plain = Zeroizing::new(text.to_vec());
    cipher(key)
        .decrypt_in_place_detached(
            XNonce::from_slice(nonce),
            &associated(name),
            &mut plain,
            Tag::from_slice(tag),
        )
        .map_err(|_| Unsealing::Refused)?;
    Ok(plain)
}

/// The cipher wipes its copy of the key when it is dropped.
fn cipher(key: &LockedKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(key.bytes()))
}

fn associated(name: &str) -> Vec<u8> {
    [&HEAD, name.as_bytes()].concat()
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    // SAFETY: the pointer and length describe `bytes`, which outlives the call. Up to 256 bytes come whole.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) == Ok(bytes.len()) {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LockedKey {
        LockedKey::random().expect("a key")
    }

    #[test]
    fn opens_what_it_sealed_and_hides_it() {
        let key = key();
        for length in [0, 1, 32, 1000, 65_536] {
            let plain = vec![7; length];
            let sealed = seal(&key, "a", &plain).expect("sealed");
            assert_eq!(sealed.len(), length + OVERHEAD);
            assert_eq!(*unseal(&key, "a", &sealed).expect("opened"), plain);
            assert_ne!(seal(&key, "a", &plain).expect("again"), sealed, "nonces differ");
            assert!(length < 32 || !sealed.windows(16).any(|piece| piece == [7; 16]));
        }
    }

    #[test]
    fn is_the_construction_of_its_draft() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1, shows the cipher; here it is held against itself with the
        // associated data spelled out, so that files stay readable when the code changes.
        let key = LockedKey::copy(&[0x42; 32]).expect("a key");
        let sealed = seal(&key, "secret/x", b"attack at dawn").expect("sealed");
        let mut text = sealed[32..46].to_vec();
        XChaCha20Poly1305::new(&[0x42; 32].into())
            .decrypt_in_place_detached(
                XNonce::from_slice(&sealed[8..32]),
                b"SPSEAL\x00\x01secret/x",
                &mut text,
                Tag::from_slice(&sealed[46..]),
            )
            .expect("the same construction");
        assert_eq!(text, b"attack at dawn");
    }

    #[test]
    fn refuses_another_key_another_name_and_every_changed_byte() {
        let key = key();
        let sealed = seal(&key, "secret/1", b"hunter2").expect("sealed");
        assert_eq!(unseal(&key, "secret/2", &sealed), Err(Unsealing::Refused));
        assert_eq!(unseal(&key, "", &sealed), Err(Unsealing::Refused));
        assert_eq!(unseal(&self::key(), "secret/1", &sealed), Err(Unsealing::Refused));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = if at < HEAD.len() {
                Unsealing::NotSealed
            } else {
                Unsealing::Refused
            };
            assert_eq!(unseal(&key, "secret/1", &changed), Err(expected), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(
                unseal(&key, "secret/1", &sealed[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(unseal(&key, "secret/1", &[sealed, vec![0]].concat()).is_err());
    }

    #[test]
    fn tells_what_was_never_sealed() {
        assert_eq!(unseal(&key(), "secret/1", &[7; 32]), Err(Unsealing::NotSealed));
        assert_eq!(unseal(&key(), "secret/1", &[]), Err(Unsealing::NotSealed));
    }
}
