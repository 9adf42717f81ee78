//! The framing: a length of four bytes, big-endian, then that many bytes of payload.

/// Bytes before a payload.
pub const HEADER: usize = 4;

/// Why a stream of frames cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A length of zero.
    Empty,
    /// A length over the limit; negative numbers read like this too.
    TooLarge,
}

/// Cuts a byte stream into frames. It holds what arrived and never more than one frame beyond what was fed: a
/// length alone reserves nothing.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    bytes: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// A decoder of frames with payloads of 1 to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// Takes bytes as they came from the socket.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole payload, if there is one.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let rest = &self.bytes[self.start..];
        let Some((header, body)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(self.wait());
        };
        let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        match length {
            0 => return Err(Broken::Empty),
            length if length > self.limit => return Err(Broken::TooLarge),
            _ => {}
        }
        let Some(payload) = body.get(..length) else {
            return Ok(self.wait());
        };
        let payload = payload.to_vec();
        self.start += HEADER + length;
        Ok(Some(payload))
    }

    /// Whether a frame has begun and is not complete, or is complete and not taken.
    pub fn is_amid(&self) -> bool {
        self.start < self.bytes.len()
    }

    /// Nothing whole is here: an idle connection keeps no large buffer.
    fn wait(&mut self) -> Option<Vec<u8>> {
        if !self.is_amid() {
            self.start = 0;
            self.bytes = Vec::new();
        }
        None
    }
}

/// The bytes that announce a payload; `None` for a payload that no frame can carry.
pub fn header(length: usize) -> Option<[u8; HEADER]> {
    u32::try_from(length)
        .ok()
        .filter(|length| *length > 0)
        .map(u32::to_be_bytes)
}

/// Whether `bytes` are whole frames and nothing else, with payloads of 1 to `limit` bytes.
pub fn are_whole(mut bytes: &[u8], limit: usize) -> bool {
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        match rest.get(length..) {
            Some(after) if length > 0 && length <= limit => bytes = after,
            _ => return false,
        }
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(payloads: &[&[u8]]) -> Vec<u8> {
        let frame = |payload: &&[u8]| [&header(payload.len()).expect("a length")[..], payload].concat();
        payloads.iter().flat_map(frame).collect()
    }

    fn decode(decoder: &mut Decoder) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| decoder.next().expect("a sound stream")).collect()
    }

    #[test]
    fn split_anywhere_gives_the_same_frames() {
        let payloads: [&[u8]; 3] = [b"a", b"bc", b"defgh"];
        let stream = encode(&payloads);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut decoder = Decoder::new(5);
                let mut frames = Vec::new();
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    decoder.feed(part);
                    frames.extend(decode(&mut decoder));
                }
                assert_eq!(frames, payloads, "split at {first} and {second}");
                assert!(!decoder.is_amid());
            }
        }
    }

    #[test]
    fn limits() {
        let mut decoder = Decoder::new(5);
        decoder.feed(&encode(&[b"123456"]));
        assert_eq!(decoder.next(), Err(Broken::TooLarge));
        let mut decoder = Decoder::new(5);
        decoder.feed(&[0, 0, 0, 0]);
        assert_eq!(decoder.next(), Err(Broken::Empty));
        let mut decoder = Decoder::new(5);
        decoder.feed(&(-1i32).to_be_bytes());
        assert_eq!(decoder.next(), Err(Broken::TooLarge));
    }

    #[test]
    fn a_length_alone_reserves_nothing() {
        let mut decoder = Decoder::new(1 << 30);
        decoder.feed(&(1u32 << 30).to_be_bytes());
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.bytes.capacity() < 1024);
        assert!(decoder.is_amid());
    }

    #[test]
    fn whole_frames_are_told_from_others() {
        assert!(are_whole(&[], 5));
        assert!(are_whole(&encode(&[b"a", b"12345"]), 5));
        assert!(!are_whole(&encode(&[b"a", b"123456"]), 5));
        assert!(!are_whole(&[0; 4], 5));
        let frames = encode(&[b"a", b"bc"]);
        for length in 1..frames.len() {
            assert_eq!(are_whole(&frames[..length], 5), length == 5, "{length} bytes");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(header(0), None);
        assert_eq!(header(258), Some([0, 0, 1, 2]));
        assert_eq!(header(usize::MAX), None);
    }
}
