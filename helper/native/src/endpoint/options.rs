//! Where and how to listen, as JavaScript says it.

use std::time::Duration;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use super::admission::{Bounds, Pace};
use super::bind::Manner;
use super::error::{Code, Result, error};
use super::shared::Limits;

/// Where and how to listen.
#[napi(object, object_to_js = false)]
pub struct EndpointOptions {
    /// Absolute path of the socket, at most 107 bytes. Every directory above it must belong to root or this uid and
    /// be writable by no one else; only above the last one sticky ones may be.
    pub path: String,
    /// Permissions of the socket, such as `0o666`; the umask does not narrow them.
    pub mode: f64,
    /// Largest payload in either direction, in bytes; 1 to 268435456.
    pub max_frame_bytes: f64,
    /// Connections at once, the last eighth of them for root alone; 1 to 65536. More are closed at once.
    pub max_connections: f64,
    /// Connections at once of any one uid but root; 1 to 65536. More are closed at once.
    pub max_connections_per_uid: f64,
    /// Connections that a uid other than root may make in one go; 1 to 65536.
    pub connect_burst: f64,
    /// Connections a second that such a uid may make after that; 1 to 65536. More are closed at once.
    pub connects_per_second: f64,
    /// Payload that is sent to those who are closed at once for these bounds; nothing unless told.
    pub busy_payload: Option<Buffer>,
    /// Bytes that may wait for one connection to read them, besides what the kernel holds (about 200 KB).
    pub max_queued_bytes: f64,
    /// Memory for such bytes on all connections of any one uid but root; 0 to 1073741824.
    pub max_queued_bytes_per_uid: f64,
    /// The same of root; 0 to 1073741824.
    pub max_queued_bytes_of_root: f64,
    /// Time from the beginning of a connection until the frame after its nonce is complete, and for any later frame
    /// from its first byte to its last; 1 to 3600000.
    pub handshake_timeout_ms: f64,
    /// Turns away processes of other user and pid namespaces, and those whose namespaces cannot be read.
    pub require_same_namespaces: bool,
    /// How many descriptors from 3 on the service manager passed (`LISTEN_FDS`). If one of them listens on `path`, it
    /// is used and its file stays when this listener stops; 0 to 1024, none unless told.
    pub inherited_descriptors: Option<f64>,
    /// Does without what Linux 6.5 (`SO_PEERPIDFD`) and 6.16 (`SO_PASSRIGHTS`) brought, to test what older ones get.
    pub older_kernel: Option<bool>,
}

/// How to bind, in these options.
pub fn manner(options: &EndpointOptions) -> Result<Manner> {
    let inherited = options.inherited_descriptors.unwrap_or(0.0);
    Ok(Manner {
        mode: whole("mode", options.mode, 0, 0o777)?,
        inherited: whole("inheritedDescriptors", inherited, 0, 1024)?,
        older_kernel: options.older_kernel.unwrap_or(false),
    })
}

/// The bounds in these options.
pub fn limits(options: &EndpointOptions) -> Result<Limits> {
    let size = |name, value, least, most| whole(name, value, least, most).map(|number| number as usize);
    let handshake = whole("handshakeTimeoutMs", options.handshake_timeout_ms, 1, 3_600_000)?;
    let per_second = whole("connectsPerSecond", options.connects_per_second, 1, 1 << 16)?;
    let frame = size("maxFrameBytes", options.max_frame_bytes, 1, 1 << 28)?;
    let busy = options.busy_payload.as_deref().unwrap_or_default();
    if busy.len() > frame {
        let message = format!("busyPayload has {} bytes, more than maxFrameBytes", busy.len());
        return Err(error(Code::InvalidArgument, message));
    }
    Ok(Limits {
        frame,
        places: Bounds {
            connections: size("maxConnections", options.max_connections, 1, 1 << 16)?,
            per_uid: size(
                "maxConnectionsPerUid",
                options.max_connections_per_uid,
                1,
                1 << 16,
            )?,
            pace: Pace {
                burst: whole("connectBurst", options.connect_burst, 1, 1 << 16)?,
                interval: Duration::from_secs(1) / per_second,
            },
            queued_per_uid: size(
                "maxQueuedBytesPerUid",
                options.max_queued_bytes_per_uid,
                0,
                1 << 30,
            )?,
            queued_of_root: size(
                "maxQueuedBytesOfRoot",
                options.max_queued_bytes_of_root,
                0,
                1 << 30,
            )?,
        },
        busy: busy.to_vec(),
        queued: size("maxQueuedBytes", options.max_queued_bytes, 0, 1 << 30)?,
        handshake: Duration::from_millis(u64::from(handshake)),
        same_namespaces: options.require_same_namespaces,
        older_kernel: options.older_kernel.unwrap_or(false),
    })
}

/// The whole number `value` between `least` and `most`.
pub fn whole(name: &str, value: f64, least: u32, most: u32) -> Result<u32> {
    if value.fract() == 0.0 && value >= f64::from(least) && value <= f64::from(most) {
        // In range and without a fraction, so the conversion is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return Ok(value as u32);
    }
    Err(error(
        Code::InvalidArgument,
        format!("{name} must be a whole number from {least} to {most}, not {value}"),
    ))
}
