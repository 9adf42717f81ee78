//! The listener whose bytes carry their sender's credentials.
