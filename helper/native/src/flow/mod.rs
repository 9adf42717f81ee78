//! Packets of a tunnel handed to TypeScript in pooled slots.
