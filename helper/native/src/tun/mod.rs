//! TUN devices with segmentation offload.

mod device;
mod frame;

pub use device::{Claim, Device, Port, is_lost};
pub use frame::{Content, FRAME_MAX, GLUE_MAX, Glue, Segments, packets_in, parse};

use std::sync::Arc;

use napi_derive::napi;

use crate::error::{Code, Result, error};

/// A TUN interface of the calling process's network namespace.
///
/// It appears, down and without addresses, with `Tun.open` and vanishes with `close` or garbage collection.
/// One data plane at a time carries its packets: a `WireGuardDevice` or a `TunFlow`.
#[napi]
pub struct Tun {
    device: Option<Arc<Device>>,
    name: String,
    index: u32,
}

#[napi]
impl Tun {
    /// Creates an interface. `name`: 1 to 15 characters of `A-Z a-z 0-9 . _ -`, not in use.
    ///
    /// Throws `INVALID_ARGUMENT`, `TUN_UNAVAILABLE` (no `/dev/net/tun`), `TUN_PERMISSION`, `TUN_BUSY` (the name
    /// is taken) or `TUN_FAILED`.
    #[napi(factory, catch_unwind)]
    pub fn open(name: String) -> Result<Self> {
        let device = Device::open(&name)?;
        Ok(Self {
            name,
            index: device.index(),
            device: Some(Arc::new(device)),
        })
    }

    /// The interface's name.
    #[napi(getter, catch_unwind)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The interface's index, as netlink knows it.
    #[napi(getter, catch_unwind)]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Removes the interface. Closing twice does nothing; closing under a running data plane throws `TUN_BUSY`.
    #[napi(catch_unwind)]
    pub fn close(&mut self) -> Result<()> {
        if self.device.as_ref().is_some_and(|device| device.in_use()) {
            return Err(error(
                Code::TunBusy,
                format!(
                    "interface {} still carries a data plane: stop that one before closing",
                    self.name
                ),
            ));
        }
        self.device = None;
        Ok(())
    }
}

impl Tun {
    /// The open device, for a data plane.
    pub fn device(&self) -> Result<&Arc<Device>> {
        self.device
            .as_ref()
            .ok_or_else(|| error(Code::Stopped, format!("interface {} was closed", self.name)))
    }
}
