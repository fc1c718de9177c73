//! A folder of its own for everything that a town writes, removed with it.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rand::random;

/// A new private folder below the system's temporary one.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    kept: AtomicBool,
}

impl Folder {
    /// Errors: the folder cannot be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("{name}-{:08x}", random::<u32>()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, kept: AtomicBool::new(false) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it in place for who wants to look what went wrong.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
