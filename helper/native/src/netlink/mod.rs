//! Interfaces, addresses, routes, rules and their changes.
