//! WireGuard's four messages, as far as their outside tells (WireGuard paper, section 5.4).

/// Length of a handshake initiation, in bytes.
pub const INITIATION_LENGTH: usize = 148;
/// Length of a handshake response, in bytes.
pub const RESPONSE_LENGTH: usize = 92;
const COOKIE_REPLY_LENGTH: usize = 64;
/// Length of a data message without content: a keepalive.
pub const KEEPALIVE_LENGTH: usize = 32;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Initiation,
    Response,
    CookieReply,
    Keepalive,
    Data,
}

/// The kind of a datagram, `None` if it is no WireGuard message.
pub fn kind(datagram: &[u8]) -> Option<Kind> {
    let header: [u8; 4] = datagram.get(..4)?.try_into().ok()?;
    match (u32::from_le_bytes(header), datagram.len()) {
        (1, INITIATION_LENGTH) => Some(Kind::Initiation),
        (2, RESPONSE_LENGTH) => Some(Kind::Response),
        (3, COOKIE_REPLY_LENGTH) => Some(Kind::CookieReply),
        (4, KEEPALIVE_LENGTH) => Some(Kind::Keepalive),
        (4, length) if length > KEEPALIVE_LENGTH => Some(Kind::Data),
        _ => None,
    }
}

/// Key of the first MAC of handshake messages to one receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverMark([u8; 32]);

impl ReceiverMark {
    /// For messages to the holder of `public_key`.
    pub fn new(public_key: &[u8; 32]) -> Self {
        use blake2::{Blake2s256, Digest};
        Self(
            Blake2s256::new()
                .chain_update(b"mac1----")
                .chain_update(public_key)
                .finalize()
                .into(),
        )
    }

    /// Whether a handshake initiation or response was made for this receiver: its first MAC says so.
    pub fn is_on(&self, message: &[u8]) -> bool {
        use blake2::Blake2sMac;
        use blake2::digest::consts::U16;
        use blake2::digest::{KeyInit, Mac};
        // Both kinds end in two MACs of 16 bytes, the first over all that precedes it.
        let Some(covered) = message.len().checked_sub(32) else {
            return false;
        };
        let Ok(mac) = <Blake2sMac<U16> as KeyInit>::new_from_slice(&self.0) else {
            return false;
        };
        mac.chain_update(&message[..covered])
            .verify_slice(&message[covered..covered + 16])
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0u8; length];
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        bytes
    }

    #[test]
    fn tells_messages_by_type_and_length() {
        assert_eq!(kind(&message(1, 148)), Some(Kind::Initiation));
        assert_eq!(kind(&message(2, 92)), Some(Kind::Response));
        assert_eq!(kind(&message(3, 64)), Some(Kind::CookieReply));
        assert_eq!(kind(&message(4, 32)), Some(Kind::Keepalive));
        assert_eq!(kind(&message(4, 33)), Some(Kind::Data));
        assert_eq!(kind(&message(4, 65_507)), Some(Kind::Data));
    }

    #[test]
    fn refuses_everything_else() {
        for length in 0..200 {
            for first in [0u8, 5, 6, 255] {
                assert_eq!(kind(&message(first, length)), None);
            }
            assert_eq!(kind(&message(1, length)).is_some(), length == 148);
            assert_eq!(kind(&message(2, length)).is_some(), length == 92);
            assert_eq!(kind(&message(3, length)).is_some(), length == 64);
            assert_eq!(kind(&message(4, length)).is_some(), length >= 32);
        }
        let mut reserved = message(4, 64);
        reserved[2] = 1;
        assert_eq!(kind(&reserved), None, "the reserved bytes are zero");
    }

    #[test]
    fn marks_name_the_receiver() {
        use gotatun::noise::{Tunn, index_table::IndexTable, rate_limiter::RateLimiter};
        use gotatun::x25519::{PublicKey, StaticSecret};
        let ours = StaticSecret::from([1u8; 32]);
        let theirs = PublicKey::from(&StaticSecret::from([2u8; 32]));
        let limiter = std::sync::Arc::new(RateLimiter::new(&PublicKey::from(&ours), 10));
        let mut tunnel = Tunn::new(
            ours.clone(),
            theirs,
            None,
            None,
            IndexTable::from_os_rng(),
            limiter,
        );
        let initiation = tunnel
            .format_handshake_initiation(false)
            .expect("an initiation")
            .into_bytes();
        assert_eq!(kind(&initiation), Some(Kind::Initiation));
        assert!(ReceiverMark::new(theirs.as_bytes()).is_on(&initiation));
        assert!(!ReceiverMark::new(PublicKey::from(&ours).as_bytes()).is_on(&initiation));
        assert!(!ReceiverMark::new(theirs.as_bytes()).is_on(&[]));
    }
}
