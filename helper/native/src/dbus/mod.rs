//! D-Bus calls and signals of the system services the helper talks to.
