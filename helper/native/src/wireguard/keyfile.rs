//! Keys: they live in files, are read here, and never cross into JavaScript.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use gotatun::x25519::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::error::{Code, Result, error, system_error};
use crate::keychain::{self, Vault};

/// Length of every WireGuard key, in bytes.
pub const KEY_LENGTH: usize = 32;

/// Length of a sealed key's file, in bytes.
const SEALED_LENGTH: usize = KEY_LENGTH + keychain::OVERHEAD;

/// A key in memory that is wiped when dropped.
pub type Key = Zeroizing<[u8; KEY_LENGTH]>;

/// Reads a key in a regular file of the effective user that nobody else may touch. Symbolic links are not
/// followed.
///
/// Without a vault the file holds exactly 32 raw bytes. With one it holds a key that the vault sealed for
/// `secret/` and the file's name; raw bytes are then refused, so that nobody can put a key of theirs in place.
pub fn read(path: &Path, vault: Option<&Vault>) -> Result<Key> {
    let tried = || format!("cannot read key file {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        // A FIFO in the file's place must not make us wait.
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .map_err(|cause| match cause.raw_os_error() {
            Some(libc::ELOOP) => refused(path, "is a symbolic link"),
            _ => system_error(Code::KeyUnavailable, &tried(), &cause),
        })?;
    let facts = file
        .metadata()
        .map_err(|cause| system_error(Code::KeyUnavailable, &tried(), &cause))?;
    // SAFETY: geteuid has no preconditions and cannot fail.
    let owner = unsafe { libc::geteuid() };
    if !facts.file_type().is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    if facts.uid() != owner {
        return Err(refused(
            path,
            &format!("belongs to user {}, not to user {owner}", facts.uid()),
        ));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(refused(
            path,
            &format!(
                "has mode {:04o}: only its owner may have rights",
                facts.mode() & 0o7777
            ),
        ));
    }
    let unreadable = |cause: io::Error| system_error(Code::KeyUnavailable, &tried(), &cause);
    let Some(vault) = vault else {
        if facts.len() != KEY_LENGTH as u64 {
            return Err(refused(
                path,
                &format!("holds {} bytes instead of {KEY_LENGTH}", facts.len()),
            ));
        }
        let mut key = Key::default();
        file.read_exact(key.as_mut()).map_err(unreadable)?;
        return Ok(key);
    };
    // A raw key that lies where a sealed one should is wiped like any other.
    let mut sealed = Zeroizing::new(Vec::with_capacity(SEALED_LENGTH + 1));
    file.take(SEALED_LENGTH as u64 + 1)
        .read_to_end(&mut sealed)
        .map_err(unreadable)?;
    let name = path
        .file_name()
        .map_or_else(Default::default, |name| name.to_string_lossy());
    let plain = vault.open_secret(&format!("secret/{name}"), &sealed)?;
    <[u8; KEY_LENGTH]>::try_from(plain.as_slice())
        .map(Key::new)
        .map_err(|_| {
            refused(
                path,
                &format!("holds a sealed secret that is no key of {KEY_LENGTH} bytes"),
            )
        })
}

/// Creates `path` with a new private key, mode 0600. An existing file is left alone.
pub fn generate(path: &Path) -> Result<()> {
    let tried = format!("cannot create key file {}", path.display());
    let secret =
        clamp(random().map_err(|cause| system_error(Code::Failed, "cannot get random bytes", &cause))?);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(|cause| system_error(Code::KeyUnavailable, &tried, &cause))?;
    write_whole(&mut file, &secret).map_err(|cause| {
        // Half a key is worth less than none; the first error is the one to tell.
        let _ = fs::remove_file(path);
        system_error(Code::KeyUnavailable, &tried, &cause)
    })
}

/// The public half of a private key.
pub fn public_key(secret: &Key) -> PublicKey {
    PublicKey::from(&StaticSecret::from(**secret))
}

fn write_whole(file: &mut File, key: &Key) -> io::Result<()> {
    file.write_all(key.as_ref())?;
    file.sync_all()
}

fn random() -> io::Result<Key> {
    let mut key = Key::default();
    // SAFETY: the pointer and length describe `key`, which outlives the call. Up to 256 bytes come whole.
    let got = unsafe { libc::getrandom(key.as_mut_ptr().cast(), KEY_LENGTH, 0) };
    if usize::try_from(got) == Ok(KEY_LENGTH) {
        Ok(key)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Stores the key in the form that RFC 7748 computes with anyway, as `wg genkey` does.
fn clamp(mut key: Key) -> Key {
    key[0] &= 0b1111_1000;
    key[31] = (key[31] & 0b0111_1111) | 0b0100_0000;
    key
}

fn refused(path: &Path, why: &str) -> crate::error::Error {
    error(Code::KeyRefused, format!("key file {} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory of its own for one test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("sallyport-keys-{}-{number}", std::process::id()));
            fs::create_dir(&path).expect("a scratch directory");
            Self(path)
        }

        fn file(&self, content: &[u8], mode: u32) -> PathBuf {
            let path = self.0.join("key");
            fs::write(&path, content).expect("a key file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn code(result: Result<Key>) -> Code {
        result.expect_err("a refusal").status
    }

    #[test]
    fn reads_what_it_generated() {
        let scratch = Scratch::new();
        let path = scratch.0.join("new");
        generate(&path).expect("a new key");
        let facts = fs::metadata(&path).expect("the file");
        assert_eq!(facts.mode() & 0o7777, 0o600);
        let key = read(&path, None).expect("the same key");
        assert_eq!(key[0] & 7, 0);
        assert_eq!(key[31] & 0b1100_0000, 0b0100_0000);
        let again = generate(&path).expect_err("an existing file is left alone");
        assert_eq!(again.status, Code::KeyUnavailable);
        assert_eq!(*read(&path, None).expect("unchanged"), *key);
    }

    #[test]
    fn derives_the_public_key_of_rfc_7748() {
        // RFC 7748, section 6.1, Bob's keys.
        let secret = Key::new(hex(
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        ));
        let public = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        assert_eq!(public_key(&secret).as_bytes(), &public);
    }

    fn hex(text: &str) -> [u8; 32] {
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
        }
        bytes
    }

    #[test]
    fn refuses_what_others_may_touch() {
        let scratch = Scratch::new();
        for mode in [0o640, 0o604, 0o660, 0o610, 0o601, 0o700 | 0o4] {
            assert_eq!(
                code(read(&scratch.file(&[7; 32], mode), None)),
                Code::KeyRefused,
                "{mode:o}"
            );
        }
        assert!(read(&scratch.file(&[7; 32], 0o400), None).is_ok());
    }

    #[test]
    fn refuses_other_lengths() {
        let scratch = Scratch::new();
        for length in [0usize, 31, 33, 44] {
            assert_eq!(
                code(read(&scratch.file(&vec![7; length], 0o600), None)),
                Code::KeyRefused,
                "{length}"
            );
        }
    }

    #[test]
    fn opens_a_key_that_was_sealed_for_its_file_and_no_other() {
        let vault = Vault::generate().expect("a vault");
        let other = Vault::generate().expect("another vault");
        let scratch = Scratch::new();
        let seal = |vault: &Vault, name: &str, plain: &[u8]| {
            vault
                .seal(name.into(), plain.to_vec().into())
                .expect("sealed")
                .to_vec()
        };
        let read = |content: &[u8]| read(&scratch.file(content, 0o600), Some(&vault));
        assert_eq!(
            *read(&seal(&vault, "secret/key", &[7; 32])).expect("the key"),
            [7; 32]
        );
        let unreadable = [
            seal(&vault, "secret/other", &[7; 32]),
            seal(&other, "secret/key", &[7; 32]),
            [seal(&vault, "secret/key", &[7; 32]), vec![0]].concat(),
            vec![7; 32],
            Vec::new(),
        ];
        for content in unreadable {
            assert_eq!(code(read(&content)), Code::SecretUnreadable, "{content:?}");
        }
        for length in [31, 33] {
            let sealed = seal(&vault, "secret/key", &vec![7; length]);
            assert_eq!(code(read(&sealed)), Code::KeyRefused, "{length}");
        }
        let sealed = scratch.file(&seal(&vault, "secret/key", &[7; 32]), 0o600);
        assert_eq!(code(super::read(&sealed, None)), Code::KeyRefused);
        fs::set_permissions(&sealed, fs::Permissions::from_mode(0o640)).expect("its mode");
        assert_eq!(code(super::read(&sealed, Some(&vault))), Code::KeyRefused);
    }

    #[test]
    fn refuses_what_is_no_regular_file() {
        let scratch = Scratch::new();
        let target = scratch.file(&[7; 32], 0o600);
        let link = scratch.0.join("link");
        symlink(&target, &link).expect("a link");
        assert_eq!(code(read(&link, None)), Code::KeyRefused);
        assert_eq!(code(read(&scratch.0, None)), Code::KeyRefused);
        let fifo =
            std::ffi::CString::new(scratch.0.join("fifo").to_string_lossy().as_bytes()).expect("a path");
        // SAFETY: the path is NUL-terminated.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        assert_eq!(code(read(&scratch.0.join("fifo"), None)), Code::KeyRefused);
    }

    #[test]
    fn says_when_there_is_none() {
        let scratch = Scratch::new();
        assert_eq!(code(read(&scratch.0.join("none"), None)), Code::KeyUnavailable);
    }
}
