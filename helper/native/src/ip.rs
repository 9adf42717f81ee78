//! The one check that every IP packet passes before it crosses between a tunnel and the network.

/// Length of an IPv4 header without options, in bytes.
const IPV4_HEADER: usize = 20;
/// Length of the fixed IPv6 header, in bytes.
const IPV6_HEADER: usize = 40;

/// Whether `packet` is exactly one IPv4 or IPv6 packet: known version, whole header, and a length field that
/// says what the buffer holds. Payloads are the business of whoever receives them.
pub fn is_whole(packet: &[u8]) -> bool {
    match packet.first().map(|first| first >> 4) {
        Some(4) if packet.len() >= IPV4_HEADER => {
            let header = usize::from(packet[0] & 0x0f) * 4;
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            header >= IPV4_HEADER && header <= total && total == packet.len()
        }
        Some(6) if packet.len() >= IPV6_HEADER => {
            let payload = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            IPV6_HEADER + payload == packet.len()
        }
        _ => false,
    }
}

/// Length of a whole packet's IP header, in bytes; IPv6 without extension headers.
pub fn header_length(packet: &[u8]) -> usize {
    match packet.first() {
        Some(first) if first >> 4 == 4 => usize::from(first & 0x0f) * 4,
        _ => IPV6_HEADER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(total: u16, length: usize) -> Vec<u8> {
        let mut packet = vec![0u8; length];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet
    }

    fn ipv6(payload: u16, length: usize) -> Vec<u8> {
        let mut packet = vec![0u8; length];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&payload.to_be_bytes());
        packet
    }

    #[test]
    fn accepts_whole_packets() {
        assert!(is_whole(&ipv4(20, 20)));
        assert!(is_whole(&ipv4(1420, 1420)));
        assert!(is_whole(&ipv6(0, 40)));
        assert!(is_whole(&ipv6(1380, 1420)));
    }

    #[test]
    fn refuses_wrong_lengths() {
        assert!(!is_whole(&ipv4(21, 20)));
        assert!(!is_whole(&ipv4(19, 20)));
        assert!(!is_whole(&ipv4(20, 21)));
        assert!(!is_whole(&ipv6(1, 40)));
        assert!(!is_whole(&ipv6(0, 41)));
    }

    #[test]
    fn refuses_short_headers_and_unknown_versions() {
        assert!(!is_whole(&[]));
        assert!(!is_whole(&[0x45]));
        assert!(!is_whole(&[0x60; 39]));
        for version in [0u8, 1, 5, 7, 15] {
            let mut packet = ipv4(20, 20);
            packet[0] = (version << 4) | 5;
            assert!(!is_whole(&packet), "version {version}");
        }
        let mut options = ipv4(20, 20);
        options[0] = 0x46;
        assert!(!is_whole(&options), "a header longer than the packet");
        options[0] = 0x44;
        assert!(!is_whole(&options), "a header shorter than the fixed part");
    }

    #[test]
    fn never_reads_past_the_end() {
        for length in 0..64 {
            for first in 0..=255u8 {
                let mut packet = vec![0xffu8; length];
                if let Some(byte) = packet.first_mut() {
                    *byte = first;
                }
                let _ = is_whole(&packet);
            }
        }
    }
}
