//! A word when interfaces, addresses or routes changed.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::error::{Result, refused};

/// Changes come in bursts; a burst has ended when this long nothing came.
const QUIET: Duration = Duration::from_millis(50);
/// A burst that does not end is reported this often.
const AT_LATEST: Duration = Duration::from_millis(250);
/// `RTNLGRP_*` of rtnetlink(7): link, addresses and routes of both families.
const GROUPS: [u32; 5] = [1, 5, 9, 7, 11];

/// Called with nothing; does not keep Node alive, and at most one call waits.
type OnChange = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// Watches the network namespace in which it was started. It does not keep the process alive.
#[napi]
pub struct NetworkMonitor {
    running: Option<(Arc<OwnedFd>, JoinHandle<()>)>,
}

#[napi]
impl NetworkMonitor {
    /// Calls `onChange` after interfaces, addresses or routes changed: about 50 ms after the last change of a
    /// burst, and every 250 ms during one that goes on. What changed has to be looked up.
    #[napi(factory, catch_unwind)]
    pub fn start(#[napi(ts_arg_type = "() => void")] on_change: Function<(), ()>) -> Result<Self> {
        let callback: OnChange = on_change
            .build_threadsafe_function()
            .callee_handled::<false>()
            .weak::<true>()
            .max_queue_size::<1>()
            .build()
            .map_err(|cause| super::error::invalid(format!("onChange: {}", cause.reason)))?;
        let begin = || -> io::Result<(Arc<OwnedFd>, JoinHandle<()>)> {
            let socket = subscribe()?;
            let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
            let signal = Arc::clone(&stop);
            let watcher = thread::Builder::new()
                .name("netlink-monitor".into())
                .spawn(move || {
                    watch(&socket, &signal, || {
                        callback.call((), ThreadsafeFunctionCallMode::NonBlocking);
                    });
                })?;
            Ok((stop, watcher))
        };
        let running = begin().map_err(|cause| refused("watch the network", &cause, None))?;
        Ok(Self {
            running: Some(running),
        })
    }

    /// Ends the watching; a call that was already on its way may still arrive. A second stop does nothing.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        if let Some((stop, watcher)) = self.running.take() {
            let _ = rustix::io::write(&*stop, &1u64.to_ne_bytes());
            let _ = watcher.join();
        }
    }
}

impl Drop for NetworkMonitor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn subscribe() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Reports bursts of changes until `stop` is signalled or the socket fails.
fn watch(socket: &Socket, stop: &OwnedFd, mut report: impl FnMut()) {
    let mut burst: Option<Instant> = None;
    loop {
        let patience = burst.map(|began| QUIET.min(AT_LATEST.saturating_sub(began.elapsed())));
        let mut sources = [
            PollFd::new(stop, PollFlags::IN),
            PollFd::new(socket, PollFlags::IN),
        ];
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        match poll(&mut sources, timeout.as_ref()) {
            Err(Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if !sources[0].revents().is_empty() {
            return;
        }
        let changed = !sources[1].revents().is_empty();
        if changed {
            drain(socket);
            burst.get_or_insert_with(Instant::now);
        }
        if burst.is_some_and(|began| !changed || began.elapsed() >= AT_LATEST) {
            burst = None;
            report();
        }
    }
}

/// Throws away what is queued: that something came is all that matters, and an overflow (`ENOBUFS`) says that too.
fn drain(socket: &Socket) {
    let mut buffer = [0u8; 1];
    loop {
        match socket.recv(&mut &mut buffer[..], libc::MSG_TRUNC) {
            Err(cause) if cause.raw_os_error() == Some(libc::ENOBUFS) => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
            Ok(_) => {}
        }
    }
}
