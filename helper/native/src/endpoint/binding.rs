//! The endpoint as JavaScript sees it.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use napi::bindgen_prelude::{Buffer, BufferSlice, Function, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use napi_derive::napi;
use rustix::event::{EventfdFlags, eventfd};

use super::bind::{Bound, bind_at};
use super::entry::{Described, Message};
use super::error::{Code, Result, error, refused};
use super::frames;
use super::options::{EndpointOptions, limits, manner, whole};
use super::server::Server;
use super::shared::{Command, Shared};

/// Payloads below this are copied into JavaScript's memory; an external buffer costs more than the copy.
const COPIED: usize = 64 * 1024;

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
    /// When it began, in clock ticks since boot, decimal; null when that cannot be read.
    pub start_time: Option<String>,
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
            start_time: peer.start_time.map(|ticks| ticks.to_string()),
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
    use_nullable = true,
    object_from_js = false
)]
pub enum EndpointEvent {
    /// A connection is open and held: nothing of it is read as a frame before `release`. One day `closed` follows.
    Connection {
        /// Names the connection in all that follows.
        connection_id: u32,
        /// Who it is.
        peer: EndpointPeer,
    },
    /// Whole frames that arrived together, 1 to 16.
    Frames {
        /// The connection they came on.
        connection_id: u32,
        /// Their payloads in order, none empty.
        #[napi(ts_type = "Buffer[]")]
        payloads: Vec<Payload>,
    },
    /// A connection has ended; nothing more comes from it.
    Closed {
        /// The connection.
        connection_id: u32,
        /// `prematureFrame`, `wrongNonce`, `peerClosed`, `peerExited`, `frameTooLarge`, `emptyFrame`,
        /// `handshakeTimeout`, `frameTimeout`, `senderMismatch`, `unexpectedDescriptors`, `slowReader`, `stopped`,
        /// `failed`, or what `close` or `refuse` was told.
        reason: String,
    },
    /// A connection was turned away. Under a flood few are reported: 16 at once, then ten a second.
    Refused {
        /// `tooManyConnections`, `tooFast`, `peerGone` or `foreignNamespace`. If nothing could be accepted for a
        /// moment, whoever waited: `noResources` (descriptors or memory), `acceptDenied` (by a security module) or
        /// `acceptFailed`.
        reason: String,
        /// 0 for a process that this pid namespace does not show; null for one that could not be accepted.
        pid: Option<i32>,
        /// Its uid, as this user namespace maps it; null likewise.
        uid: Option<u32>,
        /// How many more were turned away, since the last report, of whom nothing is said.
        unreported: u32,
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
            Message::Frames(connection_id, payloads, _permit) => Self::Frames {
                connection_id,
                payloads: payloads.into_iter().map(Payload).collect(),
            },
            Message::Closed(connection_id, reason, _slot) => Self::Closed {
                connection_id,
                reason,
            },
            Message::Refused(refusal) => Self::Refused {
                reason: refusal.reason.to_owned(),
                pid: refusal.who.map(|who| who.pid),
                uid: refusal.who.map(|who| who.uid),
                unreported: refusal.untold,
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
        let manner = manner(&options)?;
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
        let mut file = bind_at(Path::new(&options.path), manner)?;
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

    /// Lets a held connection speak: sends it a nonce, which its first frame must bring back; that frame is not
    /// delivered. Returns false if the connection is gone, its process has ended, or it was released before. Throws
    /// `ENDPOINT_FAILED` if the kernel gives no random bytes.
    #[napi(catch_unwind)]
    pub fn release(&self, connection_id: f64) -> Result<bool> {
        let id = whole("connectionId", connection_id, 0, u32::MAX)?;
        self.running.as_ref().map_or(Ok(false), |running| {
            running
                .shared
                .release(id)
                .map_err(|cause| refused("make a nonce", &cause))
        })
    }

    /// Sends a last frame and ends a connection, of which nothing is read any more; `closed` follows with this
    /// reason when the other end has gone or has had half a second to read.
    #[napi(catch_unwind)]
    pub fn refuse(&self, connection_id: f64, data: &[u8], reason: String) -> Result<()> {
        let id = whole("connectionId", connection_id, 0, u32::MAX)?;
        if let Some(running) = &self.running {
            running.shared.refuse(id, data, reason);
        }
        Ok(())
    }

    /// Whether the pinned process lives and runs the very file that it ran when it was accepted. False also if that
    /// file could not be read then, and if the connection is gone.
    #[napi(catch_unwind)]
    pub fn is_unchanged(&self, connection_id: f64) -> Result<bool> {
        let id = whole("connectionId", connection_id, 0, u32::MAX)?;
        Ok(self
            .running
            .as_ref()
            .is_some_and(|running| running.shared.is_unchanged(id)))
    }

    /// Sends a frame. Returns false if the connection is gone, or ends because it did not read and more would
    /// wait than `maxQueuedBytes` or the bound of its uid. Throws `INVALID_ARGUMENT` for an empty payload or one over `maxFrameBytes`.
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

    /// Sends several frames at once, each given with its four bytes of length before it. Otherwise as `send`;
    /// throws `INVALID_ARGUMENT` as well if they do not end where the last frame does.
    #[napi(catch_unwind)]
    pub fn send_together(&self, connection_id: f64, frames: &[u8]) -> Result<bool> {
        let id = whole("connectionId", connection_id, 0, u32::MAX)?;
        let Some(running) = &self.running else {
            return Ok(false);
        };
        let limit = running.shared.limits.frame;
        if !frames::are_whole(frames, limit) {
            let message = format!("frames must be whole, each with a payload of 1 to {limit} bytes");
            return Err(error(Code::InvalidArgument, message));
        }
        Ok(running.shared.send(id, &[], frames))
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
