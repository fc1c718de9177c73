//! What survives a kill: the store (sled) and the spool (bytes).
