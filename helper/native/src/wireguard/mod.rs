//! The WireGuard device: packets never reach JavaScript.
