//! The helper's native addon: what Node offers no way to do.
//!
//! Each folder is one concern with a narrow surface towards TypeScript (`binding.d.ts`).

mod dbus;
mod endpoint;
mod error;
mod flow;
mod ip;
mod netlink;
mod process;
mod runtime;
mod tun;
mod wireguard;
