//! Facts about processes, pinned by descriptor.
