//! NetworkManager: told to read its configuration again (org.freedesktop.NetworkManager(5)).

use napi_derive::napi;

use super::call::{Service, with_bus};
use super::error::Result;

const NETWORK_MANAGER: Service = Service {
    name: "org.freedesktop.NetworkManager",
    path: "/org/freedesktop/NetworkManager",
    interface: "org.freedesktop.NetworkManager",
};
/// `NM_MANAGER_RELOAD_FLAG_CONF`: NetworkManager.conf and its directories, and nothing of connections or DNS.
const RELOAD_CONFIGURATION: u32 = 1;

/// Whether NetworkManager runs now. It is not started by asking. False as well without a bus, or when the bus
/// does not answer within 2 s.
#[napi(catch_unwind)]
pub fn network_manager_available() -> bool {
    with_bus(|bus| async move { bus.has(NETWORK_MANAGER).await }).unwrap_or(false)
}

/// Makes NetworkManager read its configuration files again, so that it sees which interfaces it must leave alone.
/// At most 2 s.
#[napi(catch_unwind)]
pub fn network_manager_reload() -> Result<()> {
    with_bus(|bus| async move {
        bus.require(NETWORK_MANAGER).await?;
        bus.call(NETWORK_MANAGER, "Reload", &(RELOAD_CONFIGURATION,))
            .await
    })
}
