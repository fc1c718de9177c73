//! The instance secret's own file: made once, readable by its owner only.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use data_encoding::HEXLOWER;
use rand::RngCore;

use super::watermark::sync_directory_of;
use crate::model::secret::InstanceSecret;

/// `None` when there is no such file; an error when it holds anything but one or two secrets.
pub(super) fn read(path: &Path) -> io::Result<Option<InstanceSecret>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut words = text.lines().map(parse);
    match (words.next().flatten(), words.next(), words.next()) {
        (Some(current), None, _) => Ok(Some(InstanceSecret::new(current, None))),
        (Some(current), Some(Some(previous)), None) => Ok(Some(InstanceSecret::new(current, Some(previous)))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the secret file is damaged")),
    }
}

/// Returns when it is on disk. Written beside and renamed, so that the old one is never half gone.
pub(super) fn write(path: &Path, secret: &InstanceSecret) -> io::Result<()> {
    let (current, previous) = secret.expose();
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    for word in std::iter::once(current).chain(previous) {
        writeln!(file, "{}", HEXLOWER.encode(word))?;
    }
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_directory_of(path)
}

pub(super) fn make() -> InstanceSecret {
    InstanceSecret::new(random(), None)
}

/// A new one, under which what the present one signed still verifies.
pub(super) fn rotated(secret: &InstanceSecret) -> InstanceSecret {
    InstanceSecret::new(random(), Some(*secret.expose().0))
}

pub(super) fn parse(word: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(word.trim().as_bytes()).ok()?.try_into().ok()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn survives_writing_and_rotation_and_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(read(&path).unwrap().is_none());
        let first = make();
        write(&path, &first).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().unwrap().expose(), first.expose());
        let second = rotated(&first);
        write(&path, &second).unwrap();
        let read_back = read(&path).unwrap().unwrap();
        let tag = first.sign("x", b"y");
        assert!(read_back.verifies("x", b"y", &tag));
        assert_ne!(read_back.sign("x", b"y"), tag);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_new_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for text in ["", "abc", "\n\n"] {
            fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text:?}");
        }
    }
}
