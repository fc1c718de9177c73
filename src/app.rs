//! The one file that knows every adapter: configuration in, running bridge out.
