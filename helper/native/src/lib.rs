//! The helper's native addon: what Node offers no way to do.
//!
//! Each folder is one concern with a narrow surface towards TypeScript (`binding.d.ts`).

// In test builds napi registers nothing, and what only JavaScript calls looks unused.
#![cfg_attr(test, allow(dead_code))]

mod counter;
mod dbus;
mod endpoint;
mod error;
mod flow;
mod ip;
mod keychain;
mod netlink;
mod pkcs12;
mod process;
mod runtime;
mod stack;
mod tun;
mod wireguard;
