//! The endpoint: a Unix socket that knows who is at the other end.
//!
//! The process that connects is pinned when it is accepted (`peer`), every byte is compared with it
//! (`control`), frames are cut and capped (`frames`), and whatever could grow has a bound (`line`). One thread
//! serves all connections (`server`) and never waits for JavaScript; replies go out on JavaScript's own thread.

// Functions are reached from JavaScript, whose registration a test build leaves out.
#![cfg_attr(test, allow(dead_code))]

mod bind;
mod binding;
mod control;
mod entry;
mod error;
mod frames;
mod line;
mod outbox;
mod peer;
mod server;
