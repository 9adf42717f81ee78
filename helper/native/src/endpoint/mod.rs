//! The endpoint: a Unix socket that knows who is at the other end.
//!
//! The socket is bound where nobody else could put one, or taken from the service manager (`bind`, `place`,
//! `inherited`). Who connects too often is turned away by its uid alone (`admission`). The process of everyone else is pinned when
//! it is accepted (`accept`, `peer`) and held: JavaScript looks at what it is and releases or refuses it, released it
//! must bring back a secret (`handshake`), and every byte is compared with it (`control`, `server`). Frames are cut
//! and capped (`frames`), and whatever could grow has a bound (`line`, `outbox`, `shared`). One thread serves all
//! connections and never waits for JavaScript; replies go out on JavaScript's own thread.

// Functions are reached from JavaScript, whose registration a test build leaves out.
#![cfg_attr(test, allow(dead_code))]

mod accept;
mod admission;
mod bind;
mod binding;
mod control;
mod entry;
mod error;
mod frames;
mod handshake;
mod inherited;
mod line;
mod options;
mod outbox;
mod peer;
mod place;
mod server;
mod share;
mod shared;
