//! The engine's way to the TUN: batches out of it, glued batches into it.

use std::io;
use std::sync::Arc;

use gotatun::packet::{Ip, Packet, PacketBufPool};
use gotatun::tun::{IpRecv, IpSend, MtuWatcher};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::counters::Counters;
use super::watch::Witness;
use crate::tun::{Content, Device, FRAME_MAX, Glue, Port, is_lost, packets_in, parse};

/// Packets that may wait for the TUN's writer. The engine waits beyond that, and then the kernel's socket
/// queue drops and counts.
const WRITE_QUEUE: usize = 1024;
/// Packets that the writer takes at a time.
const WRITE_BATCH: usize = crate::tun::GLUE_MAX;
/// Smallest packet buffer, in bytes: what the engine's pool has.
const BUFFER_MIN: usize = 4096;
/// Buffers kept ready for splitting. A frame of many tiny segments takes more for once.
const BUFFERS: usize = 64;

/// Reads the TUN for the engine.
pub struct Reader {
    port: Arc<Port>,
    counters: Arc<Counters>,
    witness: Arc<Witness>,
    mtu: watch::Receiver<u16>,
    frame: Vec<u8>,
    buffers: Vec<Buffer>,
    lengths: Vec<usize>,
}

impl Reader {
    pub fn new(
        port: Arc<Port>,
        counters: Arc<Counters>,
        witness: Arc<Witness>,
        mtu: watch::Receiver<u16>,
    ) -> Self {
        let frame = vec![0; FRAME_MAX];
        Self {
            port,
            counters,
            witness,
            mtu,
            frame,
            buffers: Vec::new(),
            lengths: Vec::new(),
        }
    }
}

impl IpRecv for Reader {
    async fn recv<'a>(
        &'a mut self,
        pool: &mut PacketBufPool,
    ) -> io::Result<impl Iterator<Item = Packet<Ip>> + Send + 'a> {
        let count = loop {
            let read = match self.port.read(&mut self.frame).await {
                Ok(read) => read,
                Err(cause) => {
                    if is_lost(&cause) {
                        self.witness.lost(&cause);
                    }
                    return Err(cause);
                }
            };
            let count = match parse(&mut self.frame[..read]) {
                Some(Content::Packet(packet)) => {
                    fill(&mut self.buffers, pool, 1, packet.len());
                    self.buffers[0].0[..packet.len()].copy_from_slice(packet);
                    self.lengths.clear();
                    self.lengths.push(packet.len());
                    Some(1)
                }
                Some(Content::Segments(segments)) => {
                    fill(&mut self.buffers, pool, segments.count, segments.length);
                    self.lengths.clear();
                    self.lengths.resize(segments.count, 0);
                    let count = segments.count;
                    segments.split(&mut self.buffers[..count], &mut self.lengths)
                }
                None => None,
            };
            match count {
                Some(count) => break count,
                None => self.counters.malformed_from_tunnel.add(1),
            }
        };
        let lengths = self.lengths.iter();
        Ok(self
            .buffers
            .drain(..count)
            .zip(lengths)
            .filter_map(|(Buffer(mut packet), &length)| {
                packet.truncate(length);
                packet.try_into_ip().ok()
            }))
    }

    fn mtu(&self) -> MtuWatcher {
        self.mtu.clone().into()
    }
}

/// Makes the first `count` buffers hold at least `length` bytes each.
fn fill(buffers: &mut Vec<Buffer>, pool: &PacketBufPool, count: usize, length: usize) {
    let wanted = length.max(BUFFER_MIN);
    buffers.truncate(count.max(BUFFERS));
    while buffers.len() < count {
        buffers.push(Buffer(pool.get()));
    }
    for Buffer(packet) in &mut buffers[..count] {
        if packet.len() < wanted {
            packet.buf_mut().resize(wanted, 0);
        }
    }
}

/// A pooled packet as a place to split into.
struct Buffer(Packet<[u8]>);

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

/// Takes packets from the engine, one at a time as it gives them, for a task that glues and writes them.
pub struct Writer {
    queue: mpsc::Sender<Packet<Ip>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the writing task on the current runtime. It ends once the writer is dropped.
    pub fn spawn(port: Arc<Port>, counters: Arc<Counters>, witness: Arc<Witness>) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(WRITE_QUEUE);
        let task = tokio::spawn(write(port, Arc::clone(&counters), witness, waiting));
        (Self { queue, counters }, task)
    }
}

impl IpSend for Writer {
    async fn send(&mut self, packet: Packet<Ip>) -> io::Result<()> {
        self.counters.delivered.add(1);
        self.queue
            .send(packet)
            .await
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

async fn write(
    port: Arc<Port>,
    counters: Arc<Counters>,
    witness: Arc<Witness>,
    mut waiting: mpsc::Receiver<Packet<Ip>>,
) {
    let mut glue = Glue::new(port.device().udp_offload());
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    while waiting.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        for packet in batch.drain(..) {
            if glue.is_full() && !flush(&mut glue, port.device(), &counters, &witness) {
                return;
            }
            glue.add(&packet.into_bytes());
        }
        if !flush(&mut glue, port.device(), &counters, &witness) {
            return;
        }
    }
}

/// Writes what was glued. `false`: the interface is gone.
fn flush(glue: &mut Glue, device: &Device, counters: &Counters, witness: &Witness) -> bool {
    let waiting = glue.len() as u64;
    let Some(frames) = glue.take() else {
        counters.dropped.add(waiting);
        return true;
    };
    for frame in frames {
        if let Err(cause) = device.write(frame) {
            counters.dropped.add(packets_in(frame).0);
            if is_lost(&cause) {
                witness.lost(&cause);
                return false;
            }
        }
    }
    true
}
