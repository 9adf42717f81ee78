//! A device's configuration: as JavaScript writes it, and as the engine takes it.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ipnetwork::IpNetwork;
use napi_derive::napi;

use super::keyfile::{self, KEY_LENGTH, Key};
use crate::error::{Code, Result, error};
use crate::keychain::Vault;

/// Smallest MTU that IPv4 allows (RFC 791), in bytes.
const MTU_MIN: u32 = 68;
/// Largest MTU of a TUN interface, in bytes.
const MTU_MAX: u32 = 65_535;

/// A WireGuard device. Keys are named by files, never given: a key file is a regular file (no link), belongs to
/// the effective user and grants nothing to group or others. Without a vault it holds exactly 32 raw bytes, with
/// one what the vault sealed for `secret/` and the file's name.
#[napi(object, object_to_js = false)]
pub struct WireGuardDeviceConfig {
    /// Path of the private key's file.
    pub private_key_file: String,
    /// UDP port to listen on. 0 or absent at the start: a random one; absent later: the same as before.
    pub listen_port: Option<u32>,
    /// Mark of every packet the device sends (`SO_MARK`). 0 or absent: none.
    pub fwmark: Option<u32>,
    /// The interface's MTU at the start, in bytes. Later changes of the interface are followed by themselves.
    pub mtu: u32,
    /// The peers, each with its own public key.
    #[napi(ts_type = "ReadonlyArray<WireGuardPeerConfig>")]
    pub peers: Vec<WireGuardPeerConfig>,
}

/// One peer of a WireGuard device.
#[napi(object, object_to_js = false)]
pub struct WireGuardPeerConfig {
    /// Its public key in base64, 44 characters.
    pub public_key: String,
    /// Path of the preshared key's file, if there is one. The same rules hold as for the private key's.
    pub preshared_key_file: Option<String>,
    /// Networks in CIDR notation that are routed to it, and that it may send from. A network given to two
    /// peers belongs to the later one.
    #[napi(ts_type = "ReadonlyArray<string>")]
    pub allowed_ips: Vec<String>,
    /// Where to reach it: `192.0.2.1:51820` or `[2001:db8::1]:51820`, already resolved. Absent: it has to
    /// come to us first.
    pub endpoint: Option<String>,
    /// Seconds between keepalives, 1 to 65535. 0 or absent: none.
    pub persistent_keepalive: Option<u32>,
}

/// A public key's bytes.
pub type PublicKey = [u8; KEY_LENGTH];

/// A configuration with everything read and checked.
pub struct Config {
    pub private_key: Key,
    pub listen_port: Option<u16>,
    pub fwmark: Option<u32>,
    pub mtu: u16,
    pub peers: Vec<Peer>,
}

/// A checked peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Peer {
    pub public_key: PublicKey,
    pub preshared_key: Option<Key>,
    pub allowed_ips: Vec<IpNetwork>,
    pub endpoint: Option<SocketAddr>,
    pub keepalive: Option<u16>,
}

impl Config {
    /// Checks `raw` and reads its key files, opening them with the vault if there is one.
    pub fn read(raw: &WireGuardDeviceConfig, vault: Option<&Vault>) -> Result<Self> {
        if !(MTU_MIN..=MTU_MAX).contains(&raw.mtu) {
            return Err(invalid(format!("mtu is {MTU_MIN} to {MTU_MAX}, not {}", raw.mtu)));
        }
        let mut seen = HashSet::new();
        let mut peers = Vec::with_capacity(raw.peers.len());
        for peer in &raw.peers {
            let peer = Peer::read(peer, vault)?;
            if !seen.insert(peer.public_key) {
                return Err(invalid(format!(
                    "two peers have the public key {}",
                    encode_key(&peer.public_key)
                )));
            }
            peers.push(peer);
        }
        Ok(Self {
            private_key: keyfile::read(Path::new(&raw.private_key_file), vault)?,
            listen_port: raw
                .listen_port
                .map(|port| short(port, "listenPort"))
                .transpose()?,
            fwmark: raw.fwmark.filter(|&mark| mark != 0),
            mtu: short(raw.mtu, "mtu")?,
            peers,
        })
    }
}

impl Peer {
    fn read(raw: &WireGuardPeerConfig, vault: Option<&Vault>) -> Result<Self> {
        Ok(Self {
            public_key: decode_key(&raw.public_key)?,
            preshared_key: raw
                .preshared_key_file
                .as_deref()
                .map(|path| keyfile::read(Path::new(path), vault))
                .transpose()?,
            allowed_ips: raw
                .allowed_ips
                .iter()
                .map(|text| network(text))
                .collect::<Result<_>>()?,
            endpoint: raw.endpoint.as_deref().map(endpoint).transpose()?,
            keepalive: raw
                .persistent_keepalive
                .filter(|&seconds| seconds != 0)
                .map(|seconds| short(seconds, "persistentKeepalive"))
                .transpose()?,
        })
    }
}

/// A public key from its base64 form.
pub fn decode_key(text: &str) -> Result<PublicKey> {
    let bytes = BASE64.decode(text).ok();
    bytes
        .and_then(|bytes| PublicKey::try_from(bytes).ok())
        .ok_or_else(|| invalid(format!("a public key is 32 bytes in base64, not {text:?}")))
}

/// A public key in base64.
pub fn encode_key(key: &PublicKey) -> String {
    BASE64.encode(key)
}

/// An endpoint from its `address:port` form.
pub fn endpoint(text: &str) -> Result<SocketAddr> {
    let address: SocketAddr = text.parse().map_err(|_| {
        invalid(format!(
            "an endpoint is ADDRESS:PORT or [ADDRESS]:PORT, not {text:?}"
        ))
    })?;
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err(invalid(format!("nobody can be reached at endpoint {text}")));
    }
    // The sockets are one per family: an IPv4 address in IPv6 clothes would leave by the wrong one.
    Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn network(text: &str) -> Result<IpNetwork> {
    let network: IpNetwork = text
        .parse()
        .map_err(|_| invalid(format!("an allowed IP is ADDRESS/PREFIX, not {text:?}")))?;
    let first: IpAddr = network.network();
    IpNetwork::new(first, network.prefix())
        .map_err(|_| invalid(format!("an allowed IP is ADDRESS/PREFIX, not {text:?}")))
}

fn short(value: u32, name: &str) -> Result<u16> {
    u16::try_from(value).map_err(|_| invalid(format!("{name} is at most 65535, not {value}")))
}

fn invalid(message: String) -> crate::error::Error {
    error(Code::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_bytes_of_base64() {
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let key = decode_key(text).expect("a key");
        assert_eq!(key[31], 31);
        assert_eq!(encode_key(&key), text);
        for bad in [
            "",
            "AAEC",
            &text[..43],
            &format!("{text}="),
            &text.replace('A', "*"),
            &format!(" {text}"),
        ] {
            assert_eq!(
                decode_key(bad).expect_err("a refusal").status,
                Code::InvalidArgument,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn endpoints_are_addresses() {
        assert_eq!(
            endpoint("192.0.2.1:51820").expect("v4").to_string(),
            "192.0.2.1:51820"
        );
        assert_eq!(
            endpoint("[2001:db8::1]:1").expect("v6").to_string(),
            "[2001:db8::1]:1"
        );
        assert_eq!(
            endpoint("[::ffff:192.0.2.1]:1").expect("mapped").to_string(),
            "192.0.2.1:1"
        );
        for bad in [
            "",
            "192.0.2.1",
            "192.0.2.1:0",
            "192.0.2.1:70000",
            "example.org:1",
            "2001:db8::1:1",
            "0.0.0.0:1",
        ] {
            assert_eq!(
                endpoint(bad).expect_err("a refusal").status,
                Code::InvalidArgument,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn networks_lose_their_host_bits() {
        assert_eq!(network("10.1.2.3/8").expect("v4").to_string(), "10.0.0.0/8");
        assert_eq!(network("fd00::1/64").expect("v6").to_string(), "fd00::/64");
        assert_eq!(network("10.0.0.7").expect("a host").to_string(), "10.0.0.7/32");
        for bad in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "/0",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(
                network(bad).expect_err("a refusal").status,
                Code::InvalidArgument,
                "{bad:?}"
            );
        }
    }
}
