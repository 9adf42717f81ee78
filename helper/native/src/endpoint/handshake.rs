//! The handshake: who was found fit is sent a secret, and speaks only after bringing it back.
//!
//! Credentials alone say which process *wrote* something, and the executable says what that process runs *now*. A
//! process can write first and become the trusted program afterwards. So nothing counts that was written before the
//! executable was looked at: the secret is made after that look, and only what follows its echo is delivered. The
//! echo carries kernel credentials as everything else does, so that the process that was looked at is the one that
//! speaks.

use std::{fmt, io};

use rustix::rand::{GetRandomFlags, getrandom};
use subtle::ConstantTimeEq;

use super::frames::HEADER;

/// The beginning of the payload that carries a nonce, in both directions.
pub const TAG: &[u8; 8] = b"SPNONCE1";
/// Random bytes behind it.
const SECRET: usize = 32;
/// The whole payload.
const PAYLOAD: usize = TAG.len() + SECRET;
const FRAME: usize = HEADER + PAYLOAD;

/// A frame that only its receiver can bring back.
pub struct Nonce([u8; FRAME]);

impl fmt::Debug for Nonce {
    /// Without the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Nonce(…)")
    }
}

impl Nonce {
    /// A new one, from the kernel's generator.
    pub fn new() -> io::Result<Self> {
        let mut frame = [0; FRAME];
        frame[..HEADER].copy_from_slice(&announcement());
        frame[HEADER..HEADER + TAG.len()].copy_from_slice(TAG);
        // So few bytes come whole or not at all (getrandom(2)).
        let count = getrandom(&mut frame[HEADER + TAG.len()..], GetRandomFlags::empty())?;
        if count == SECRET {
            Ok(Self(frame))
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        }
    }

    /// Header and payload.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        self.0.split_at(HEADER)
    }
}

/// The header of a frame that carries a nonce.
fn announcement() -> [u8; HEADER] {
    u32::try_from(PAYLOAD).unwrap_or(0).to_be_bytes()
}

/// The first frame is not the nonce that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongNonce;

/// What has come of the first frame.
pub struct Greeting {
    bytes: [u8; FRAME],
    filled: usize,
}

impl Default for Greeting {
    fn default() -> Self {
        Self {
            bytes: [0; FRAME],
            filled: 0,
        }
    }
}

impl Greeting {
    /// Takes bytes; returns those behind the nonce once it is complete and right.
    ///
    /// Its length is no secret and is judged as soon as it is there; the rest in one comparison of constant time.
    pub fn feed<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        nonce: &Nonce,
    ) -> Result<Option<&'bytes [u8]>, WrongNonce> {
        let (now, rest) = bytes.split_at(bytes.len().min(FRAME - self.filled));
        self.bytes[self.filled..self.filled + now.len()].copy_from_slice(now);
        self.filled += now.len();
        let known = self.filled.min(HEADER);
        if self.bytes[..known] != announcement()[..known] {
            return Err(WrongNonce);
        }
        if self.filled < FRAME {
            return Ok(None);
        }
        if bool::from(self.bytes.ct_eq(&nonce.0)) {
            Ok(Some(rest))
        } else {
            Err(WrongNonce)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ_and_have_their_shape() {
        let (one, other) = (Nonce::new().expect("a nonce"), Nonce::new().expect("a nonce"));
        assert_ne!(one.0, other.0);
        let (header, payload) = one.parts();
        assert_eq!(header, [0, 0, 0, 40]);
        assert_eq!(payload.len(), 40);
        assert_eq!(&payload[..8], b"SPNONCE1");
    }

    #[test]
    fn its_description_keeps_the_secret() {
        let nonce = Nonce::new().expect("a nonce");
        assert_eq!(format!("{nonce:?}"), "Nonce(…)");
    }

    #[test]
    fn the_echo_may_come_in_any_pieces_and_leaves_what_follows() {
        let nonce = Nonce::new().expect("a nonce");
        let stream = [&nonce.0[..], b"rest"].concat();
        for cut in 0..=stream.len() {
            let mut greeting = Greeting::default();
            let mut rest = Vec::new();
            let mut complete = false;
            for part in [&stream[..cut], &stream[cut..]] {
                if complete {
                    rest.extend_from_slice(part);
                } else if let Some(left) = greeting.feed(part, &nonce).expect("the right nonce") {
                    complete = true;
                    rest.extend_from_slice(left);
                }
            }
            assert!(complete);
            assert_eq!(rest, b"rest", "cut at {cut}");
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let nonce = Nonce::new().expect("a nonce");
        for bit in 0..FRAME * 8 {
            let mut echo = nonce.0;
            echo[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Greeting::default().feed(&echo, &nonce),
                Err(WrongNonce),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn another_length_is_refused_at_once() {
        let nonce = Nonce::new().expect("a nonce");
        assert_eq!(Greeting::default().feed(&[0, 0, 1], &nonce), Err(WrongNonce));
        assert_eq!(
            Greeting::default().feed(&[0, 0, 0, 2, b'{', b'}'], &nonce),
            Err(WrongNonce)
        );
        assert_eq!(Greeting::default().feed(&[0, 0, 0, 40, b'{'], &nonce), Ok(None));
    }
}
