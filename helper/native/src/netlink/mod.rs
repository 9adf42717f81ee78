//! Interfaces, addresses, routes and rules of the calling thread's network namespace.
//!
//! Functions are synchronous: the kernel answers rtnetlink within the call. Each opens a socket of its own,
//! so nothing is kept between calls and a failed one leaves nothing behind.

// Functions are reached from JavaScript, whose registration a test build leaves out.
#![cfg_attr(test, allow(dead_code))]

mod address;
mod error;
mod link;
mod monitor;
mod route;
mod rule;
mod socket;
mod value;
