//! The helper's native addon: what Node offers no way to do.
//!
//! Each folder is one concern with a narrow surface towards TypeScript (`binding.d.ts`).

mod dbus;
mod endpoint;
mod flow;
mod netlink;
mod process;
mod tun;
mod wireguard;
