//! The endpoint as JavaScript sees it.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use napi::bindgen_prelude::{Buffer, BufferSlice, Function, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use napi_derive::napi;
use rustix::event::{EventfdFlags, eventfd};

use super::bind::{Bound, bind_at};
use super::entry::{Described, Message};
use super::error::{Code, Result, error, refused};
use super::frames;
use super::line::{Command, Limits, Shared};
use super::server::Server;

/// Payloads below this are copied into JavaScript's memory; an external buffer costs more than the copy.
const COPIED: usize = 64 * 1024;

/// Where and how to listen.
#[napi(object, object_to_js = false)]
pub struct EndpointOptions {
    /// Absolute path of the socket, at most 107 bytes. Its directory must belong to root or this uid and be
    /// writable by no one else.
    pub path: String,
    /// Permissions of the socket, such as `0o666`; the umask does not narrow them.
    pub mode: f64,
    /// Largest payload in either direction, in bytes; 1 to 268435456.
    pub max_frame_bytes: f64,
    /// Connections at once; more are closed as soon as they are accepted. 1 to 65536.
    pub max_connections: f64,
    /// Bytes that may wait for one connection to read them, besides what the kernel holds (about 200 KB).
    pub max_queued_bytes: f64,
    /// Time for the first frame to be complete, and for any frame from its first byte to its last; 1 to 3600000.
    pub handshake_timeout_ms: f64,
    /// Turns away processes of other user and pid namespaces, and those whose namespaces cannot be read.
    pub require_same_namespaces: bool,
}

/// The process at the other end, pinned when its connection was accepted.
#[napi(object, use_nullable = true, object_from_js = false)]
pub struct EndpointPeer {
    /// Its number in this pid namespace.
    pub pid: i32,
    /// Its effective uid when it connected, as this user namespace maps it.
    pub uid: u32,
    /// Its effective gid likewise.
    pub gid: u32,
    /// Path of what it was running when it was accepted; null when that cannot be read.
    pub executable: Option<String>,
    /// Why `executable` is null; null otherwise.
    pub executable_error: Option<String>,
    /// Uid that owns the executable file.
    pub executable_owner: Option<u32>,
    /// Permission bits of the executable file, with setuid, setgid and sticky.
    pub executable_mode: Option<u32>,
    /// Device number of the executable file, decimal, as `fs.stat` with `bigint` gives it.
    pub executable_device: Option<String>,
    /// Inode number of the executable file, decimal.
    pub executable_inode: Option<String>,
    /// Whether the path no longer leads to that very file: deleted, replaced, or seen from elsewhere.
    pub executable_deleted: bool,
    /// False also when it cannot be seen.
    pub same_user_namespace: bool,
    /// False also when it cannot be seen.
    pub same_pid_namespace: bool,
}

impl From<Described> for EndpointPeer {
    fn from(peer: Described) -> Self {
        let (executable, executable_error) = match peer.executable {
            Ok(executable) => (Some(executable), None),
            Err(cause) => (None, Some(cause)),
        };
        Self {
            pid: peer.credentials.pid,
            uid: peer.credentials.uid,
            gid: peer.credentials.gid,
            executable_error,
            executable_owner: executable.as_ref().map(|it| it.owner),
            executable_mode: executable.as_ref().map(|it| it.mode),
            executable_device: executable.as_ref().map(|it| it.device.to_string()),
            executable_inode: executable.as_ref().map(|it| it.inode.to_string()),
            executable_deleted: executable.as_ref().is_some_and(|it| it.deleted),
            executable: executable.map(|it| it.path),
            same_user_namespace: peer.same_user_namespace,
            same_pid_namespace: peer.same_pid_namespace,
        }
    }
}

/// The bytes of a frame.
pub struct Payload(Vec<u8>);

impl ToNapiValue for Payload {
    unsafe fn to_napi_value(env: sys::napi_env, payload: Self) -> napi::Result<sys::napi_value> {
        if payload.0.len() < COPIED {
            let slice = BufferSlice::copy_from(&Env::from_raw(env), &payload.0)?;
            // SAFETY: napi calls this with the current environment, on its thread.
            unsafe { BufferSlice::to_napi_value(env, slice) }
        } else {
            // SAFETY: likewise.
            unsafe { Buffer::to_napi_value(env, Buffer::from(payload.0)) }
        }
    }
}

/// What happened on the endpoint.
#[napi(
    discriminant = "kind",
    discriminant_case = "camelCase",
    object_from_js = false
)]
pub enum EndpointEvent {
    /// A connection is open. Frames follow, and one day `closed`.
    Connection {
        /// Names the connection in all that follows.
        connection_id: u32,
        /// Who it is.
        peer: EndpointPeer,
    },
    /// A whole frame.
    Frame {
        /// The connection it came on.
        connection_id: u32,
        /// Its payload, never empty.
        #[napi(ts_type = "Buffer")]
        data: Payload,
    },
    /// A connection has ended; nothing more comes from it.
    Closed {
        /// The connection.
        connection_id: u32,
        /// `peerClosed`, `peerExited`, `frameTooLarge`, `emptyFrame`, `handshakeTimeout`, `frameTimeout`,
        /// `senderMismatch`, `unexpectedDescriptors`, `slowReader`, `stopped`, `failed`, or what `close` was told.
        reason: String,
    },
    /// A connection was turned away. Under a flood not every one is reported.
    Refused {
        /// `tooManyConnections`, `peerGone` or `foreignNamespace`.
        reason: String,
        /// 0 for a process that this pid namespace does not show.
        pid: i32,
        /// Its uid, as this user namespace maps it.
        uid: u32,
    },
    /// The endpoint cannot go on; every connection was closed before.
    Failed {
        /// What the kernel answered.
        reason: String,
    },
}

impl From<Message> for EndpointEvent {
    /// Gives back the permit or place that the message held.
    fn from(message: Message) -> Self {
        match message {
            Message::Connection(connection_id, peer) => Self::Connection {
                connection_id,
                peer: (*peer).into(),
            },
            Message::Frame(connection_id, data, _permit) => Self::Frame {
                connection_id,
                data: Payload(data),
            },
            Message::Closed(connection_id, reason, _slot) => Self::Closed {
                connection_id,
                reason,
            },
            Message::Refused(reason, who, _refusal) => Self::Refused {
                reason: reason.to_owned(),
                pid: who.pid,
                uid: who.uid,
            },
            Message::Failed(reason) => Self::Failed { reason },
        }
    }
}

struct Running {
    shared: Arc<Shared>,
    file: Bound,
    thread: JoinHandle<()>,
}

/// A listening Unix socket. It keeps the process alive until `stop`.
#[napi]
pub struct EndpointListener {
    running: Option<Running>,
}

#[napi]
impl EndpointListener {
    /// Listens. `onEvent` is called on JavaScript's thread, in order for each connection; a connection whose
    /// frames it does not keep up with is not read further. Throws `INVALID_ARGUMENT`, `ADDRESS_IN_USE`,
    /// `DIRECTORY_UNSAFE`, `PERMISSION` or `ENDPOINT_FAILED`.
    #[napi(factory, catch_unwind)]
    pub fn listen(
        options: EndpointOptions,
        #[napi(ts_arg_type = "(event: EndpointEvent) => void")] on_event: Function<EndpointEvent, ()>,
    ) -> Result<Self> {
        let limits = limits(&options)?;
        let mode = whole("mode", options.mode, 0, 0o777)?;
        let callback = on_event
            .build_threadsafe_function::<Message>()
            .callee_handled::<false>()
            .build_callback(|context: ThreadsafeCallContext<Message>| Ok(EndpointEvent::from(context.value)))
            .map_err(|cause| error(Code::InvalidArgument, format!("onEvent: {}", cause.reason)))?;
        let emit =
            move |message| callback.call(message, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok;

        let failed = |cause: std::io::Error| refused("start the endpoint", &cause);
        let wake =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|it| failed(it.into()))?;
        let shared = Shared::new(limits, wake);
        let mut file = bind_at(Path::new(&options.path), mode)?;
        let thread = file.take_socket().and_then(|socket| {
            let server = Server::new(Arc::clone(&shared), socket, emit)?;
            thread::Builder::new()
                .name("endpoint".into())
                .spawn(move || server.run())
        });
        match thread {
            Ok(thread) => Ok(Self {
                running: Some(Running { shared, file, thread }),
            }),
            Err(cause) => {
                file.remove();
                Err(failed(cause))
            }
        }
    }

    /// Sends a frame. Returns false if the connection is gone, or ends because it did not read and more than
    /// `maxQueuedBytes` would wait. Throws `INVALID_ARGUMENT` for an empty payload or one over `maxFrameBytes`.
    #[napi(catch_unwind)]
    pub fn send(&self, connection_id: f64, data: &[u8]) -> Result<bool> {
        let id = whole("connectionId", connection_id, 0, u32::MAX)?;
        let Some(running) = &self.running else {
            return Ok(false);
        };
        let limit = running.shared.limits.frame;
        let header = frames::header(data.len()).filter(|_| data.len() <= limit);
        let Some(header) = header else {
            let message = format!("a payload has 1 to {limit} bytes, not {}", data.len());
            return Err(error(Code::InvalidArgument, message));
        };
        Ok(running.shared.send(id, &header, data))
    }

    /// Ends a connection; `closed` follows with this reason. What waits to be sent is lost.
    #[napi(catch_unwind)]
    pub fn close(&self, connection_id: f64, reason: String) -> Result<()> {
        let id = whole("connectionId", connection_id, 0, u32::MAX)?;
        if let Some(running) = &self.running {
            running.shared.close(id, reason);
        }
        Ok(())
    }

    /// Removes the socket and ends all connections: when it returns nobody can reach the endpoint and its
    /// descriptors are closed. Events that were on their way follow, `closed` of every connection among them.
    /// A second stop does nothing.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.file.remove();
            running.shared.command(Command::Stop);
            // The thread never waits for JavaScript, so this ends at once.
            let _ = running.thread.join();
        }
    }
}

impl Drop for EndpointListener {
    fn drop(&mut self) {
        self.stop();
    }
}

fn limits(options: &EndpointOptions) -> Result<Limits> {
    let size = |name, value, least, most| whole(name, value, least, most).map(|number| number as usize);
    let handshake = whole("handshakeTimeoutMs", options.handshake_timeout_ms, 1, 3_600_000)?;
    Ok(Limits {
        frame: size("maxFrameBytes", options.max_frame_bytes, 1, 1 << 28)?,
        connections: size("maxConnections", options.max_connections, 1, 1 << 16)?,
        queued: size("maxQueuedBytes", options.max_queued_bytes, 0, 1 << 30)?,
        handshake: Duration::from_millis(u64::from(handshake)),
        same_namespaces: options.require_same_namespaces,
    })
}

/// The whole number `value` between `least` and `most`.
fn whole(name: &str, value: f64, least: u32, most: u32) -> Result<u32> {
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
