//! Frames as the kernel hands them over: a virtio header, then a packet or many packets in one.
//!
//! The reading half splits (`TSO`, `USO`), the writing half glues (`GRO`). The arithmetic is tun-rs's; its
//! device is not used, because that would create a missing `/dev/net/tun` and cannot take a descriptor whose
//! frames have virtio headers.

use tun_rs::{
    ExpandBuffer, GROTable, VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_LEN, VirtioNetHdr, checksum, gso_split,
};

use crate::ip;

/// Room for the largest frame: header and 64 KiB.
pub const FRAME_MAX: usize = VIRTIO_NET_HDR_LEN + 65_535;

/// Most packets that are glued at a time. 64 KiB hold 46 ordinary ones: fewer would leave half-filled frames.
pub const GLUE_MAX: usize = 128;
/// Most UDP packets among them. The kernel refuses a frame of more UDP segments than its `UDP_MAX_SEGMENTS` (64
/// before Linux 6.9, 128 since), and then all of them are lost.
const GLUE_UDP_MAX: usize = 64;

/// Most packets that one read frame may be split into: 64 KiB of TCP's smallest segments (48 bytes) and more.
const SPLIT_MAX: usize = 2048;

// linux/virtio_net.h
const NEEDS_CHECKSUM: u8 = 1;
const NOT_SEGMENTED: u8 = 0;
/// No frame has this segmentation type: it marks a buffer whose packet was glued onto another's.
const ABSORBED: u8 = 0x7f;
/// Where the segmentation type stands in a virtio header.
const SEGMENTATION_TYPE_AT: usize = 1;
const UDP_HEADER: u16 = 8;

/// The content of a frame that was read.
#[derive(Debug)]
pub enum Content<'a> {
    /// One whole IP packet with valid checksums.
    Packet(&'a [u8]),
    /// Several packets, still in one.
    Segments(Segments<'a>),
}

/// A super-packet with the numbers to split it.
#[derive(Debug)]
pub struct Segments<'a> {
    header: VirtioNetHdr,
    input: &'a mut [u8],
    /// How many packets it becomes, at least 1.
    pub count: usize,
    /// Length of each packet but the last, which may be shorter, in bytes.
    pub length: usize,
}

impl Segments<'_> {
    /// Writes packet `i` to the start of `out[i]` and its length to `lengths[i]`. Each of the first `count`
    /// buffers must hold [`Self::length`] bytes. Returns the number of packets, `None` if the frame makes no
    /// sense after all.
    pub fn split<B: AsRef<[u8]> + AsMut<[u8]>>(self, out: &mut [B], lengths: &mut [usize]) -> Option<usize> {
        let v6 = self.input[0] >> 4 == 6;
        gso_split(self.input, self.header, out, lengths, 0, v6).ok()
    }
}

/// Takes a frame apart. `None` means that it holds no IP packet this crate would pass on.
pub fn parse(frame: &mut [u8]) -> Option<Content<'_>> {
    let header = VirtioNetHdr::decode(frame).ok()?;
    let packet = &mut frame[VIRTIO_NET_HDR_LEN..];
    if !ip::is_whole(packet) {
        return None;
    }
    if header.gso_type == NOT_SEGMENTED {
        if header.flags & NEEDS_CHECKSUM != 0 {
            complete_checksum(packet, header.csum_start.into(), header.csum_offset.into())?;
        }
        return Some(Content::Packet(packet));
    }

    // The kernel's `hdr_len` may span the whole first packet of a forwarded frame: read the real one.
    let start = header.csum_start;
    let transport = if header.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 {
        UDP_HEADER
    } else {
        let offset = packet.get(usize::from(start) + 12)?;
        match u16::from(offset >> 4) * 4 {
            length @ 20..=60 => length,
            _ => return None,
        }
    };
    let header_length = start.checked_add(transport)?;
    let segment = usize::from(header.gso_size);
    let payload = packet.len().checked_sub(header_length.into())?;
    if segment == 0 || payload == 0 || payload.div_ceil(segment) > SPLIT_MAX {
        return None;
    }
    Some(Content::Segments(Segments {
        count: payload.div_ceil(segment),
        length: usize::from(header_length) + segment.min(payload),
        header: VirtioNetHdr {
            hdr_len: header_length,
            ..header
        },
        input: packet,
    }))
}

/// Finishes a checksum that the kernel left to us: the field already holds the pseudo header's part. `None` for one
/// in the IP header itself, which was checked already.
fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
    if start < ip::header_length(packet) {
        return None;
    }
    let field = start.checked_add(offset)?;
    let partial = packet.get(field..field + 2)?;
    let initial = u64::from(u16::from_be_bytes([partial[0], partial[1]]));
    packet[field..field + 2].fill(0);
    let sum = !checksum(&packet[start..], initial);
    packet[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Collects up to [`GLUE_MAX`] packets and glues those of one flow that follow each other.
///
/// Its buffers stay allocated: at most 128 × 64 KiB, touched only as far as glueing needs it.
pub struct Glue {
    table: GROTable,
    buffers: Vec<Buffer>,
    used: usize,
    /// How many of the packets are UDP.
    datagrams: usize,
    udp: bool,
}

impl Glue {
    /// `udp`: whether the device takes glued UDP.
    pub fn new(udp: bool) -> Self {
        Self {
            table: GROTable::default(),
            buffers: Vec::new(),
            used: 0,
            datagrams: 0,
            udp,
        }
    }

    /// Whether the next packet has to wait for [`Self::take`].
    pub fn is_full(&self) -> bool {
        self.used == GLUE_MAX || self.datagrams == GLUE_UDP_MAX
    }

    /// Adds a copy of one whole packet. Must not be called when full.
    pub fn add(&mut self, packet: &[u8]) {
        debug_assert!(!self.is_full());
        if self.used == self.buffers.len() {
            self.buffers
                .push(Buffer(Vec::with_capacity(2 * VIRTIO_NET_HDR_LEN + FRAME_MAX)));
        }
        let buffer = &mut self.buffers[self.used].0;
        buffer.clear();
        buffer.resize(VIRTIO_NET_HDR_LEN, 0);
        buffer[SEGMENTATION_TYPE_AT] = ABSORBED;
        buffer.extend_from_slice(packet);
        self.used += 1;
        self.datagrams += usize::from(is_udp(packet));
    }

    /// Adds a copy of one packet if the copy is a whole one: whoever gave it may change it at the same time.
    /// Must not be called when full.
    pub fn add_if_whole(&mut self, packet: &[u8]) -> bool {
        let datagrams = self.datagrams;
        self.add(packet);
        let copy = &self.buffers[self.used - 1].0[VIRTIO_NET_HDR_LEN..];
        let whole = ip::is_whole(copy);
        self.datagrams = datagrams + usize::from(whole && is_udp(copy));
        self.used -= usize::from(!whole);
        whole
    }

    /// How many packets were added since it was last emptied.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Empties it: yields each frame to write, in order. `None` when the packets could not be glued and are lost.
    pub fn take(&mut self) -> Option<impl Iterator<Item = &[u8]>> {
        let used = std::mem::take(&mut self.used);
        self.datagrams = 0;
        let batch = &mut self.buffers[..used];
        self.table.apply_gro(batch, VIRTIO_NET_HDR_LEN, self.udp).ok()?;
        Some(
            batch
                .iter()
                .map(|buffer| buffer.0.as_slice())
                .filter(|frame| frame[SEGMENTATION_TYPE_AT] != ABSORBED),
        )
    }
}

/// Whether a packet is UDP, as far as glueing would look.
fn is_udp(packet: &[u8]) -> bool {
    const UDP: u8 = 17;
    match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9) == Some(&UDP),
        Some(6) => packet.get(6) == Some(&UDP),
        _ => false,
    }
}

/// How many packets a frame from [`Glue::take`] is made of, and how many bytes they have with their headers.
pub fn packets_in(frame: &[u8]) -> (u64, u64) {
    let bytes = frame.len().saturating_sub(VIRTIO_NET_HDR_LEN);
    match VirtioNetHdr::decode(frame) {
        Ok(header) if header.gso_type != NOT_SEGMENTED && header.gso_size > 0 => {
            let headers = usize::from(header.hdr_len);
            let payload = bytes.saturating_sub(headers);
            let packets = payload.div_ceil(header.gso_size.into());
            (packets as u64, (payload + packets * headers) as u64)
        }
        _ => (1, bytes as u64),
    }
}

/// A `Vec` under a name of ours, so that growing it stays within what was reserved.
struct Buffer(Vec<u8>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl ExpandBuffer for Buffer {
    fn buf_capacity(&self) -> usize {
        self.0.capacity()
    }

    fn buf_resize(&mut self, length: usize, value: u8) {
        self.0.resize(length, value);
    }

    fn buf_extend_from_slice(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_in_the_ip_header_is_refused() {
        let mut frame = [0; VIRTIO_NET_HDR_LEN + 20];
        frame[0] = NEEDS_CHECKSUM;
        frame[VIRTIO_NET_HDR_LEN..VIRTIO_NET_HDR_LEN + 4].copy_from_slice(&[0x45, 0, 0, 20]);
        // Checksum start and offset 2: the packet's own length field.
        frame[8] = 2;
        assert!(parse(&mut frame).is_none());
    }

    /// A TCP packet of one flow with a valid checksum. `sequence` counts bytes.
    fn tcp(v6: bool, port: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let transport = [&[0u8; 20], payload].concat();
        let mut packet = ip_header(v6, 6, transport.len());
        let start = packet.len();
        packet.extend(transport);
        let header = &mut packet[start..];
        header[..2].copy_from_slice(&port.to_be_bytes());
        header[2..4].copy_from_slice(&80u16.to_be_bytes());
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        header[12] = 5 << 4;
        header[13] = 0x10;
        seal(&mut packet, v6, start, 16, 6);
        packet
    }

    fn udp(v6: bool, port: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = ip_header(v6, 17, 8 + payload.len());
        let start = packet.len();
        packet.extend([0u8; 8]);
        packet.extend(payload);
        packet[start..start + 2].copy_from_slice(&port.to_be_bytes());
        packet[start + 2..start + 4].copy_from_slice(&53u16.to_be_bytes());
        let length = (8 + payload.len()) as u16;
        packet[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
        seal(&mut packet, v6, start, 6, 17);
        packet
    }

    fn ip_header(v6: bool, protocol: u8, payload: usize) -> Vec<u8> {
        if v6 {
            let mut header = vec![0u8; 40];
            header[0] = 0x60;
            header[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
            header[6] = protocol;
            header[7] = 64;
            header[23] = 1;
            header[39] = 2;
            return header;
        }
        let mut header = vec![0u8; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&(20 + payload as u16).to_be_bytes());
        header[6] = 0x40;
        header[8] = 64;
        header[9] = protocol;
        header[12..16].copy_from_slice(&[10, 0, 0, 1]);
        header[16..20].copy_from_slice(&[10, 0, 0, 2]);
        let sum = !checksum(&header, 0);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn pseudo(packet: &[u8], v6: bool, start: usize, protocol: u8) -> u64 {
        let addresses = if v6 { &packet[8..40] } else { &packet[12..20] };
        let words = addresses
            .chunks(2)
            .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])));
        words.sum::<u64>() + u64::from(protocol) + (packet.len() - start) as u64
    }

    fn seal(packet: &mut [u8], v6: bool, start: usize, offset: usize, protocol: u8) {
        let sum = !checksum(&packet[start..], pseudo(packet, v6, start, protocol));
        packet[start + offset..start + offset + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// The packets in frames, split again as the kernel's would be.
    fn unglue(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for frame in frames {
            let mut frame = frame.clone();
            match parse(&mut frame).expect("a good frame") {
                Content::Packet(packet) => packets.push(packet.to_vec()),
                Content::Segments(segments) => {
                    let mut out = vec![vec![0u8; segments.length]; segments.count];
                    let mut lengths = vec![0; segments.count];
                    let count = segments.split(&mut out, &mut lengths).expect("splits");
                    packets.extend(
                        out.into_iter()
                            .zip(lengths)
                            .take(count)
                            .map(|(mut packet, length)| {
                                packet.truncate(length);
                                packet
                            }),
                    );
                }
            }
        }
        packets
    }

    fn glued(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut glue = Glue::new(true);
        packets
            .iter()
            .for_each(|packet| assert!(glue.add_if_whole(packet)));
        glue.take().expect("frames").map(<[u8]>::to_vec).collect()
    }

    /// IPv4 identification is rewritten by splitting; nothing else may change.
    fn without_id(mut packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        for packet in packets.iter_mut().filter(|packet| packet[0] >> 4 == 4) {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        packets
    }

    #[test]
    fn glueing_and_splitting_give_the_same_packets_back() {
        for v6 in [false, true] {
            let stream: Vec<_> = (0..40u32)
                .map(|i| tcp(v6, 1000, i * 1000, &[i as u8; 1000]))
                .collect();
            let frames = glued(&stream);
            assert_eq!(frames.len(), 1, "one flow in order is one frame");
            assert_eq!(
                packets_in(&frames[0]),
                (40, stream.iter().map(|packet| packet.len() as u64).sum())
            );
            assert_eq!(without_id(unglue(&frames)), without_id(stream));

            let datagrams: Vec<_> = (0..GLUE_UDP_MAX)
                .map(|i| udp(v6, 1000, &[i as u8; 200]))
                .collect();
            let frames = glued(&datagrams);
            assert_eq!(frames.len(), 1);
            assert_eq!(without_id(unglue(&frames)), without_id(datagrams));
        }
    }

    #[test]
    fn no_frame_gets_more_datagrams_than_every_kernel_takes() {
        let mut glue = Glue::new(true);
        let datagram = udp(false, 1000, &[0; 20]);
        while !glue.is_full() {
            assert!(!glue.add_if_whole(&datagram[1..]));
            assert!(glue.add_if_whole(&datagram));
        }
        assert_eq!(glue.len(), GLUE_UDP_MAX);
        assert_eq!(glue.take().expect("frames").count(), 1);
        assert!(!glue.is_full());
    }

    #[test]
    fn flows_keep_their_order_when_they_mix() {
        let mut packets = Vec::new();
        for i in 0..20u32 {
            packets.push(tcp(false, 1000, i * 500, &[1; 500]));
            packets.push(tcp(false, 2000, i * 700, &[2; 700]));
            packets.push(udp(true, 3000, &[i as u8; 100]));
        }
        let back = without_id(unglue(&glued(&packets)));
        let packets = without_id(packets);
        assert_eq!(back.len(), packets.len());
        for port in [1000u16, 2000, 3000] {
            let of = |all: &[Vec<u8>]| -> Vec<Vec<u8>> {
                let start = |packet: &[u8]| if packet[0] >> 4 == 6 { 40 } else { 20 };
                let is = |packet: &&Vec<u8>| packet[start(packet)..][..2] == port.to_be_bytes();
                all.iter().filter(is).cloned().collect()
            };
            assert_eq!(of(&back), of(&packets), "port {port}");
        }
    }

    #[test]
    fn a_packet_with_a_wrong_checksum_is_not_glued() {
        let mut packets: Vec<_> = (0..3u32)
            .map(|i| tcp(false, 1000, i * 1000, &[i as u8; 1000]))
            .collect();
        packets[1][500] ^= 1;
        let frames = glued(&packets);
        assert!(frames.len() > 1, "glueing would give it a valid one");
        assert_eq!(without_id(unglue(&frames)), without_id(packets));
    }

    #[test]
    fn nothing_that_is_no_packet_is_added() {
        let mut glue = Glue::new(true);
        assert!(!glue.add_if_whole(&[]));
        assert!(!glue.add_if_whole(&[0x45; 19]));
        assert_eq!(glue.len(), 0);
        assert_eq!(glue.take().expect("no frames").count(), 0);
    }

    #[test]
    fn the_kernel_leaves_checksums_to_us() {
        let whole = udp(false, 1000, b"hello");
        let mut frame = vec![0u8; VIRTIO_NET_HDR_LEN];
        let header = VirtioNetHdr {
            flags: NEEDS_CHECKSUM,
            csum_start: 20,
            csum_offset: 6,
            ..Default::default()
        };
        header.encode(&mut frame).expect("room");
        frame.extend(&whole);
        let partial = checksum(&[], pseudo(&whole, false, 20, 17));
        frame[VIRTIO_NET_HDR_LEN + 26..][..2].copy_from_slice(&partial.to_be_bytes());
        assert_eq!(unglue(&[frame]), [whole]);
    }

    #[test]
    fn nonsense_is_refused_and_never_read_past() {
        let packet = tcp(false, 1000, 0, &[7; 3000]);
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for _ in 0..20_000 {
            let mut frame = vec![0u8; VIRTIO_NET_HDR_LEN];
            frame.extend(&packet);
            for _ in 0..1 + random() % 6 {
                let at = random() % (VIRTIO_NET_HDR_LEN + 40);
                frame[at] = random() as u8;
            }
            frame.truncate(random() % (frame.len() + 1));
            if let Some(Content::Segments(segments)) = parse(&mut frame) {
                assert!((1..=SPLIT_MAX).contains(&segments.count));
                let mut out = vec![vec![0u8; segments.length]; segments.count];
                let mut lengths = vec![0; segments.count];
                let _ = segments.split(&mut out, &mut lengths);
            }
        }
        for length in 0..VIRTIO_NET_HDR_LEN {
            assert!(parse(&mut vec![0; length]).is_none());
        }
    }
}
