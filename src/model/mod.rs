//! What each word of the bridge means: plain data and pure rules, no I/O.
