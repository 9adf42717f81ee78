//! Packets of a tunnel handed to TypeScript in pooled slots.

mod slots;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{Buffer, FnArgs, Function, Uint32Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue};
use napi_derive::napi;
use tokio::task::JoinHandle;

use self::slots::{BYTES_MIN, Memory, PACKETS_MAX, Pool, SLOTS_MAX, TABLE_BYTES};
use crate::counter::Counter;
use crate::error::{Code, Error, Result, error, system_error};
use crate::runtime::Lease;
use crate::tun::{Device, FRAME_MAX, Glue, Port, Tun, is_lost, packets_in, parse};

/// Length of the table of ends at the start of each slot, in bytes.
#[napi]
pub const SLOT_TABLE_BYTES: u32 = TABLE_BYTES as u32;
/// Most packets in one slot.
#[napi]
pub const SLOT_PACKETS_MAX: u32 = PACKETS_MAX as u32;
/// Smallest slot, in bytes.
#[napi]
pub const SLOT_BYTES_MIN: u32 = BYTES_MIN as u32;

/// How long an interface that reports errors is left alone.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What a flow did so far. Counts are of packets unless they say otherwise.
#[napi(object, object_from_js = false)]
pub struct TunFlowStatistics {
    /// Packets handed to JavaScript.
    pub read: f64,
    /// Their bytes.
    pub read_bytes: f64,
    /// Packets written to the interface.
    pub written: f64,
    /// Their bytes.
    pub written_bytes: f64,
    /// What `write` was given and is no whole IP packet. Dropped.
    pub malformed_from_provider: f64,
    /// Frames read from the interface that held no whole IP packet. Dropped.
    pub malformed_from_tunnel: f64,
    /// Packets that the interface refused, and frames too finely segmented for a slot.
    pub dropped: f64,
}

/// The packets of a TUN interface, for a provider written in TypeScript.
///
/// Reading: the interface's packets are laid into slots, buffers of at least `SLOT_BYTES_MIN` bytes that
/// JavaScript allocates once. A slot begins with a table of `SLOT_PACKETS_MAX` unsigned 32-bit little-endian
/// numbers: number `i` is the offset, from the slot's start, at which packet `i` ends. Packet 0 starts at
/// `SLOT_TABLE_BYTES`, every other where the one before ends. A slot belongs to JavaScript from the call of
/// `onBatch` until `release`; without a free slot the interface is not read, and the kernel's queue drops.
///
/// The slots' memory must stay where it is until `stop`: mark it with `markAsUntransferable`, as `load.ts`
/// does.
#[napi]
pub struct TunFlow {
    running: Option<Running>,
}

struct Running {
    device: Arc<Device>,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    glue: Glue,
    task: JoinHandle<()>,
    callbacks: Arc<Callbacks>,
    runtime: Lease,
    // Last: the task that writes into them has ended by then.
    _slots: Vec<Buffer>,
}

#[derive(Default)]
struct Counters {
    read: Counter,
    read_bytes: Counter,
    written: Counter,
    written_bytes: Counter,
    malformed_from_provider: Counter,
    malformed_from_tunnel: Counter,
    dropped: Counter,
}

#[napi]
impl TunFlow {
    /// Starts reading `tun` into `slots` (1 to 256, not overlapping). `onBatch` is called from the event loop
    /// with a slot's number, the count of its packets and their bytes together; `onFailed` once, when the
    /// interface is gone. Neither keeps the process alive, and neither is called after `stop`.
    ///
    /// Throws `INVALID_ARGUMENT`, `TUN_BUSY`, `TUN_FAILED`, `STOPPED` or `FAILED`.
    #[napi(factory, catch_unwind)]
    pub fn start(
        tun: &Tun,
        #[napi(ts_arg_type = "ReadonlyArray<Buffer>")] mut slots: Vec<Buffer>,
        #[napi(ts_arg_type = "(slot: number, count: number, byteLength: number) => void")] on_batch: Function<
            FnArgs<(u32, u32, u32)>,
            UnknownReturnValue,
        >,
        #[napi(ts_arg_type = "(message: string) => void")] on_failed: Option<
            Function<String, UnknownReturnValue>,
        >,
    ) -> Result<Self> {
        let memory = slots
            .iter_mut()
            .map(|slot| Memory::of(slot))
            .collect::<Result<Vec<_>>>()?;
        if memory.is_empty() || memory.len() > SLOTS_MAX || !Memory::are_apart(&memory) {
            return Err(error(
                Code::InvalidArgument,
                format!("slots are 1 to {SLOTS_MAX} buffers that do not overlap"),
            ));
        }
        let callbacks = Callbacks::new(&on_batch, on_failed.as_ref())
            .map(Arc::new)
            .map_err(|cause| {
                error(
                    Code::InvalidArgument,
                    format!("the callbacks cannot be called: {}", cause.reason),
                )
            })?;
        let device = Arc::clone(tun.device()?);
        let claim = device.claim()?;
        let runtime = Lease::take()
            .map_err(|cause| system_error(Code::Failed, "cannot start the data plane's threads", &cause))?;
        let pool = Arc::new(Pool::new(memory));
        let counters = Arc::<Counters>::default();
        let task = runtime.block_on(async {
            let port = Port::new(claim)
                .map_err(|cause| system_error(Code::TunFailed, "cannot watch the TUN", &cause))?;
            Ok::<_, Error>(tokio::spawn(read(
                port,
                Arc::clone(&pool),
                Arc::clone(&counters),
                Arc::clone(&callbacks),
            )))
        })?;
        let glue = Glue::new(device.udp_offload());
        Ok(Self {
            running: Some(Running {
                device,
                pool,
                counters,
                glue,
                task,
                callbacks,
                runtime,
                _slots: slots,
            }),
        })
    }

    /// Gives a slot back. Throws `INVALID_ARGUMENT` for a slot that JavaScript does not have; after `stop` it
    /// does nothing.
    #[napi(catch_unwind)]
    pub fn release(&mut self, slot: u32) -> Result<()> {
        match &self.running {
            Some(running) if !running.pool.release(slot as usize) => Err(error(
                Code::InvalidArgument,
                format!("slot {slot} was not lent, or was given back already"),
            )),
            _ => Ok(()),
        }
    }

    /// Writes `count` packets of `buffer` to the interface and returns how many it took. Packet `i` ends before
    /// `ends[i]`; packet 0 starts at `start` (0 if absent), every other where the one before ends: a slot and
    /// its table can be written to another interface as they are. What is no whole IP packet is counted and
    /// left out; from an end that makes no sense on, all is.
    ///
    /// Throws `INVALID_ARGUMENT` if `ends` has fewer than `count` entries, `STOPPED` after `stop`, `TUN_FAILED`
    /// when the interface is gone.
    #[napi(catch_unwind)]
    pub fn write(
        &mut self,
        buffer: Buffer,
        ends: Uint32Array,
        count: u32,
        start: Option<u32>,
    ) -> Result<u32> {
        let running = self.running.as_mut().ok_or_else(stopped)?;
        let ends = ends.get(..count as usize).ok_or_else(|| {
            error(
                Code::InvalidArgument,
                format!("there are {} ends for {count} packets", ends.len()),
            )
        })?;
        let written = running.write(&buffer, ends, start.unwrap_or(0))?;
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    /// What the flow did since it started.
    #[napi(catch_unwind)]
    pub fn statistics(&self) -> Result<TunFlowStatistics> {
        let Running { counters, .. } = self.running.as_ref().ok_or_else(stopped)?;
        Ok(TunFlowStatistics {
            read: counters.read.get() as f64,
            read_bytes: counters.read_bytes.get() as f64,
            written: counters.written.get() as f64,
            written_bytes: counters.written_bytes.get() as f64,
            malformed_from_provider: counters.malformed_from_provider.get() as f64,
            malformed_from_tunnel: counters.malformed_from_tunnel.get() as f64,
            dropped: counters.dropped.get() as f64,
        })
    }

    /// Ends the flow: the slots are JavaScript's alone again, the TUN is free for another data plane. Stopping
    /// twice does nothing.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        let Some(Running {
            task,
            runtime,
            callbacks,
            _slots,
            ..
        }) = self.running.take()
        else {
            return;
        };
        runtime.block_on(async {
            task.abort();
            // Until it has ended it may write into the slots.
            let _ = task.await;
        });
        if let Some(callbacks) = Arc::into_inner(callbacks) {
            callbacks.end();
        }
    }
}

impl Drop for TunFlow {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn write(&mut self, buffer: &[u8], ends: &[u32], start: u32) -> Result<u64> {
        let Self {
            counters,
            glue,
            device,
            ..
        } = self;
        let (mut written, mut start) = (0, start as usize);
        for (i, &end) in ends.iter().enumerate() {
            let Some(packet) = buffer.get(start..end as usize) else {
                counters.malformed_from_provider.add((ends.len() - i) as u64);
                break;
            };
            start = end as usize;
            if !glue.add_if_whole(packet) {
                counters.malformed_from_provider.add(1);
            }
            if glue.is_full() {
                written += flush(glue, device, counters)?;
            }
        }
        Ok(written + flush(glue, device, counters)?)
    }
}

/// Writes what was collected and says how many packets the interface took.
fn flush(glue: &mut Glue, device: &Device, counters: &Counters) -> Result<u64> {
    let waiting = glue.len() as u64;
    let Some(frames) = glue.take() else {
        counters.dropped.add(waiting);
        return Ok(0);
    };
    let mut written = 0;
    let mut lost = None;
    for frame in frames {
        match device.write(frame) {
            Ok(()) => {
                let (packets, bytes) = packets_in(frame);
                written += packets;
                counters.written_bytes.add(bytes);
            }
            Err(cause) if is_lost(&cause) => lost = Some(cause),
            Err(_) => {}
        }
    }
    counters.written.add(written);
    counters.dropped.add(waiting.saturating_sub(written));
    match lost {
        Some(cause) => Err(system_error(
            Code::TunFailed,
            &format!("interface {} is gone", device.name()),
            &cause,
        )),
        None => Ok(written),
    }
}

/// Fills slots until the interface is gone or the task is aborted.
async fn read(port: Port, pool: Arc<Pool>, counters: Arc<Counters>, callbacks: Arc<Callbacks>) {
    let mut frame = vec![0; FRAME_MAX];
    // What was read but did not fit into the slot before.
    let mut carried = None;
    loop {
        let mut slot = pool.take().await;
        loop {
            let read = match carried.take() {
                Some(read) => Ok(read),
                // The first packet is worth waiting for; the others come along if they are there.
                None if slot.count() == 0 => port.read(&mut frame).await,
                None => port.try_read(&mut frame),
            };
            let length = match read {
                Ok(length) => length,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                Err(cause) if is_lost(&cause) => {
                    return callbacks.failed(format!("interface {} is gone: {cause}", port.device().name()));
                }
                Err(_) => {
                    counters.dropped.add(1);
                    tokio::time::sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            match parse(&mut frame[..length]) {
                None => counters.malformed_from_tunnel.add(1),
                Some(content) if slot.has_room_for(&content) => {
                    if !slot.add(content) {
                        counters.malformed_from_tunnel.add(1);
                    }
                }
                Some(_) if slot.count() == 0 => counters.dropped.add(1),
                Some(_) => {
                    carried = Some(length);
                    break;
                }
            }
        }
        counters.read.add(slot.count() as u64);
        counters.read_bytes.add(slot.byte_length() as u64);
        pool.lend(slot.slot());
        callbacks.batch(slot.slot(), slot.count(), slot.byte_length());
    }
}

type Called<T> = ThreadsafeFunction<T, UnknownReturnValue, T, Status, false, true>;

/// Ways to call JavaScript, from any thread and without waiting.
struct Callbacks {
    batch: Called<FnArgs<(u32, u32, u32)>>,
    failed: Option<Called<String>>,
}

impl Callbacks {
    fn new(
        batch: &Function<FnArgs<(u32, u32, u32)>, UnknownReturnValue>,
        failed: Option<&Function<String, UnknownReturnValue>>,
    ) -> napi::Result<Self> {
        Ok(Self {
            batch: batch
                .build_threadsafe_function()
                .callee_handled::<false>()
                .weak::<true>()
                .build()?,
            failed: failed
                .map(|failed| {
                    failed
                        .build_threadsafe_function()
                        .callee_handled::<false>()
                        .weak::<true>()
                        .build()
                })
                .transpose()?,
        })
    }

    /// At most one call a slot is under way, which bounds the queue.
    fn batch(&self, slot: usize, count: usize, byte_length: usize) {
        let arguments = (slot as u32, count as u32, byte_length as u32);
        self.batch
            .call(arguments.into(), ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Takes back the calls that wait for the event loop.
    #[expect(deprecated, reason = "only dropping it would still make the waiting calls")]
    fn end(self) {
        let _ = self.batch.abort();
        if let Some(failed) = self.failed {
            let _ = failed.abort();
        }
    }

    fn failed(&self, message: String) {
        if let Some(failed) = &self.failed {
            failed.call(message, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

fn stopped() -> Error {
    error(Code::Stopped, "the packet flow was stopped")
}
