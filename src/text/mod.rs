//! Words in, words out: pure functions over text.
