//! A password in the forms that the parts of a file want.

use zeroize::Zeroizing;

/// One password. Wiped when dropped.
pub struct Password {
    utf8: Zeroizing<Vec<u8>>,
    /// UTF-16, big-endian, ended by a zero: what RFC 7292, appendix B.1, derives from.
    wide: Zeroizing<Vec<u8>>,
}

impl Password {
    pub fn new(utf8: Zeroizing<Vec<u8>>) -> Option<Self> {
        let text = std::str::from_utf8(&utf8).ok()?;
        let mut wide = Zeroizing::new(Vec::with_capacity(2 * text.len() + 2));
        for unit in text.encode_utf16() {
            wide.extend_from_slice(&unit.to_be_bytes());
        }
        wide.extend_from_slice(&[0, 0]);
        Some(Self { utf8, wide })
    }

    pub fn utf8(&self) -> &[u8] {
        &self.utf8
    }

    /// The forms to try. An empty password is written as a lone zero by some and as nothing at all by others.
    pub fn wide_forms(&self) -> impl Iterator<Item = &[u8]> {
        let nothing = self.utf8.is_empty().then_some(&[][..]);
        [Some(self.wide.as_slice()), nothing].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<Vec<u8>> {
        let password = Password::new(Zeroizing::new(text.into())).expect("a password");
        password.wide_forms().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn is_utf_16_with_a_zero() {
        assert_eq!(forms("aé"), [[0, b'a', 0, 0xe9, 0, 0]]);
        assert_eq!(forms("😀"), [[0xd8, 0x3d, 0xde, 0x00, 0, 0]]);
        assert_eq!(forms(""), [vec![0, 0], vec![]]);
        assert!(Password::new(Zeroizing::new(vec![0xff])).is_none());
    }
}
