//! The addon's own source files that read what others wrote, and what the fuzz targets share.
//!
//! They are taken in one by one and not as a crate: so a target builds without the data plane's crypto, and the
//! addon has no back door for tests.

#![allow(
    dead_code,
    reason = "of each file a target uses only what reads foreign bytes"
)]

pub mod choices;
pub mod memory;

#[path = "../../src/ip.rs"]
pub mod ip;

/// `src/endpoint`.
#[path = "../../src/endpoint"]
pub mod endpoint {
    pub mod control;
    pub mod frames;
    pub mod handshake;
}

/// `src/keychain`.
#[path = "../../src/keychain"]
pub mod keychain {
    pub mod locked;
    pub mod vault;
}

/// `src/pkcs12`.
#[path = "../../src/pkcs12"]
pub mod pkcs12 {
    pub mod ber;
    mod decrypt;
    mod derive;
    pub mod failure;
    mod mac;
    pub mod password;
    pub mod read;
}

/// `src/tun`.
#[path = "../../src/tun"]
pub mod tun {
    pub mod frame;
}

/// `src/wireguard`.
#[path = "../../src/wireguard"]
pub mod wireguard {
    pub mod message;
}

/// `src/netlink`: the readers of the kernel's answers.
#[path = "../../src/netlink"]
pub mod netlink {
    mod address;
    mod error;
    mod link;
    mod route;
    mod rule;
    mod socket;
    mod value;

    /// Reads a datagram's messages, each as everything that it could be, and the datagram as a payload.
    pub fn read(datagram: &[u8]) {
        for answer in socket::split(datagram).unwrap_or_default() {
            let _ = socket::verdict("ask", &answer);
            read_payload(&answer.payload);
        }
        read_payload(datagram);
    }

    fn read_payload(payload: &[u8]) {
        let _ = address::read(payload);
        let _ = link::read(payload);
        let _ = route::read(payload);
        let _ = rule::read(payload);
    }
}
