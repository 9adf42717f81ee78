//! The few calls that the helper makes on the system bus.
//!
//! The bus is looked for at every call (`DBUS_SYSTEM_BUS_ADDRESS`, else the usual socket), so that a private
//! `/run` has no bus and a restarted one is found. A call connects, asks and hangs up, and never takes longer
//! than [`PATIENCE`]. Services are never started by asking: one that the administrator does not run stays off.
//! polkit is another matter in all of this.

// Functions are reached from JavaScript, whose registration a test build leaves out.
#![cfg_attr(test, allow(dead_code))]

mod call;
mod error;
mod network_manager;
mod polkit;
mod polkit_question;
mod resolved;

use std::time::Duration;

/// The longest that JavaScript waits for one function.
const PATIENCE: Duration = Duration::from_secs(2);
