//! BER (X.690) made DER, as far as PKCS#12 files need it.
//!
//! NSS, Windows and Apple write lengths that are indefinite or longer than needed, and octet strings in pieces.
//! The DER reader takes none of that, so it is undone first: every length becomes definite and shortest, and the
//! pieces of an octet string are joined. Values of other types stay as they are.

use zeroize::Zeroizing;

use super::failure::{Failure, Result};

/// How deep values may lie in each other; real files reach about ten.
const DEPTH: usize = 24;
const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
const NUMBER: u8 = 0x1f;
/// Only indefinite values above 64 KiB grow, by a byte each, so buffers with this room are never moved and leave no
/// copy of a key behind.
const ROOM: usize = 256;

/// The one value that fills `input`, as DER.
pub fn to_der(input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut output = Zeroizing::new(Vec::with_capacity(input.len() + ROOM));
    let rest = value(input, &mut output, 0)?;
    if rest.is_empty() {
        Ok(output)
    } else {
        Err(Failure::Malformed)
    }
}

/// The joined pieces of a constructed string: what `content` holds must be octet strings, already DER.
pub fn join(mut content: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(content.len()));
    while !content.is_empty() {
        let (tag, length, body) = header(content)?;
        let length = length.filter(|_| tag == OCTET_STRING).ok_or(Failure::Malformed)?;
        let (piece, rest) = body.split_at_checked(length).ok_or(Failure::Malformed)?;
        joined.extend_from_slice(piece);
        content = rest;
    }
    Ok(joined)
}

/// Appends the first value of `input` to `output`, and gives what follows it.
fn value<'a>(input: &'a [u8], output: &mut Vec<u8>, depth: usize) -> Result<&'a [u8]> {
    if depth > DEPTH {
        return Err(Failure::Malformed);
    }
    let (tag, length, body) = header(input)?;
    if tag & CONSTRUCTED == 0 {
        let length = length.ok_or(Failure::Malformed)?;
        let (content, rest) = body.split_at_checked(length).ok_or(Failure::Malformed)?;
        append(tag, content, output)?;
        return Ok(rest);
    }
    let mut content = Zeroizing::new(Vec::with_capacity(
        length.unwrap_or(body.len()).min(body.len()) + ROOM,
    ));
    let rest = if let Some(length) = length {
        let (mut inner, rest) = body.split_at_checked(length).ok_or(Failure::Malformed)?;
        while !inner.is_empty() {
            inner = value(inner, &mut content, depth + 1)?;
        }
        rest
    } else {
        let mut inner = body;
        loop {
            if let Some(rest) = inner.strip_prefix(&[0, 0]) {
                break rest;
            }
            inner = value(inner, &mut content, depth + 1)?;
        }
    };
    if tag == OCTET_STRING | CONSTRUCTED {
        append(OCTET_STRING, &join(&content)?, output)?;
    } else {
        append(tag, &content, output)?;
    }
    Ok(rest)
}

/// Tag, length (none when indefinite) and what follows.
fn header(input: &[u8]) -> Result<(u8, Option<usize>, &[u8])> {
    let [tag, first, rest @ ..] = input else {
        return Err(Failure::Malformed);
    };
    // Tag 0 is the end of an indefinite value; numbers above 30 occur in no PKCS#12 file.
    if *tag == 0 || tag & NUMBER == NUMBER {
        return Err(Failure::Malformed);
    }
    match *first {
        short @ 0..0x80 => Ok((*tag, Some(short.into()), rest)),
        0x80 => Ok((*tag, None, rest)),
        long => {
            let count = usize::from(long & 0x7f);
            let (digits, rest) = rest.split_at_checked(count).ok_or(Failure::Malformed)?;
            let length = digits.iter().try_fold(0_usize, |sum, digit| {
                sum.checked_mul(256)?.checked_add(usize::from(*digit))
            });
            Ok((*tag, Some(length.ok_or(Failure::Malformed)?), rest))
        }
    }
}

/// Writes a value with its shortest length.
fn append(tag: u8, content: &[u8], output: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(content.len()).map_err(|_| Failure::TooLarge)?;
    output.push(tag);
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        output.push(short);
    } else {
        let digits = length.to_be_bytes();
        let skipped = digits.iter().take_while(|digit| **digit == 0).count();
        let digits = &digits[skipped..];
        // At most four digits.
        #[allow(clippy::cast_possible_truncation)]
        output.push(0x80 | digits.len() as u8);
        output.extend_from_slice(digits);
    }
    output.extend_from_slice(content);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(input: &[u8]) -> Option<Vec<u8>> {
        to_der(input).ok().map(|output| output.to_vec())
    }

    #[test]
    fn keeps_what_is_der() {
        for same in [&[0x05, 0][..], &[0x30, 3, 0x02, 1, 5], &[0xa0, 2, 0x05, 0]] {
            assert_eq!(der(same).as_deref(), Some(same));
        }
        let long = [&[0x04, 0x82, 1, 0][..], &[7; 256]].concat();
        assert_eq!(der(&long), Some(long));
    }

    #[test]
    fn makes_lengths_definite_and_short() {
        assert_eq!(
            der(&[0x30, 0x80, 0x02, 0x81, 1, 5, 0x30, 0x80, 0, 0, 0, 0]),
            Some(vec![0x30, 5, 0x02, 1, 5, 0x30, 0])
        );
        assert_eq!(der(&[0x04, 0x84, 0, 0, 0, 1, 9]), Some(vec![0x04, 1, 9]));
    }

    #[test]
    fn joins_octet_strings() {
        let pieces = [0x24, 0x80, 0x04, 1, 1, 0x24, 3, 0x04, 1, 2, 0x04, 0, 0, 0];
        assert_eq!(der(&pieces), Some(vec![0x04, 2, 1, 2]));
        assert_eq!(der(&[0x24, 3, 0x02, 1, 1]), None, "a piece of another type");
    }

    #[test]
    fn refuses_what_is_cut_short_goes_on_or_is_too_deep() {
        let whole = [0x30, 0x80, 0x04, 0x81, 2, 1, 2, 0, 0];
        assert!(der(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(der(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(der(&[&whole[..], &[0]].concat()), None);
        assert_eq!(der(&[0x04, 0x80, 0, 0]), None, "a primitive of indefinite length");
        assert_eq!(der(&[0x04, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]), None);
        assert_eq!(der(&[0x1f, 0x81, 1, 0]), None);
        let deep = |levels: usize| [[0x30, 0x80].repeat(levels), vec![0; 2 * levels]].concat();
        assert!(der(&deep(DEPTH)).is_some());
        assert_eq!(der(&deep(100_000)), None);
    }
}
