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

/// Most packets that one glued frame is made of. The kernel refuses more UDP segments than its
/// `UDP_MAX_SEGMENTS` (64 before Linux 6.9, 128 since), and then all of them are lost.
pub const GLUE_MAX: usize = 64;

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
    if segment == 0 || payload == 0 {
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

/// Finishes a checksum that the kernel left to us: the field already holds the pseudo header's part.
fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
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
/// Its buffers stay allocated: at most 64 × 64 KiB, touched only as far as glueing needs it.
pub struct Glue {
    table: GROTable,
    buffers: Vec<Buffer>,
    used: usize,
    udp: bool,
}

impl Glue {
    /// `udp`: whether the device takes glued UDP.
    pub fn new(udp: bool) -> Self {
        Self {
            table: GROTable::default(),
            buffers: Vec::new(),
            used: 0,
            udp,
        }
    }

    /// Whether the next packet has to wait for [`Self::take`].
    pub fn is_full(&self) -> bool {
        self.used == GLUE_MAX
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
    }

    /// Adds a copy of one packet if the copy is a whole one: whoever gave it may change it at the same time.
    /// Must not be called when full.
    pub fn add_if_whole(&mut self, packet: &[u8]) -> bool {
        self.add(packet);
        let whole = ip::is_whole(&self.buffers[self.used - 1].0[VIRTIO_NET_HDR_LEN..]);
        if !whole {
            self.used -= 1;
        }
        whole
    }

    /// How many packets were added since it was last emptied.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Empties it: yields each frame to write, in order. `None` when the packets could not be glued and are lost.
    pub fn take(&mut self) -> Option<impl Iterator<Item = &[u8]>> {
        let used = std::mem::take(&mut self.used);
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

/// How many packets a frame from [`Glue::take`] is made of.
pub fn packets_in(frame: &[u8]) -> u64 {
    match VirtioNetHdr::decode(frame) {
        Ok(header) if header.gso_type != NOT_SEGMENTED && header.gso_size > 0 => {
            let payload = frame
                .len()
                .saturating_sub(VIRTIO_NET_HDR_LEN + usize::from(header.hdr_len));
            payload.div_ceil(header.gso_size.into()) as u64
        }
        _ => 1,
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
