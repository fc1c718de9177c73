//! The spool on a real directory.

use std::{os::unix::fs::FileExt, time::Duration};

use super::*;
use crate::runtime::{
    byte_stream::{collect, whole},
    clock::Clock,
};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn spool(&self) -> Spool {
        Spool::open(&self.0.path().join("spool"), 1 << 30).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.0.path().join("spool")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn bytes(length: usize, seed: u8) -> Bytes {
    (0..length).map(|n| (n % 251) as u8 ^ seed).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn what_was_put_comes_back_also_after_a_restart() {
    let dir = Dir::new();
    let mut put = Vec::new();
    for round in 0..2 {
        let spool = dir.spool();
        for length in [0, 1, 5000, LARGEST_IN_SEGMENT, LARGEST_IN_SEGMENT + 1, 3 << 20] {
            let bytes = bytes(length, round);
            put.push((spool.put(bytes.clone()).await.unwrap(), bytes.clone()));
            let pieces: Vec<_> = bytes.chunks(70_000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
            let (blob, counted) = spool.put_stream(futures::stream::iter(pieces).boxed()).await.unwrap();
            assert_eq!(counted, length as u64);
            put.push((blob, bytes));
        }
    }
    let spool = dir.spool();
    for (blob, bytes) in &put {
        assert!(spool.read(blob).await.unwrap() == *bytes, "{blob}");
        let (length, stream) = spool.stream(blob).await.unwrap();
        assert_eq!(length, bytes.len() as u64);
        assert!(collect(stream, u64::MAX).await.unwrap() == *bytes, "{blob}");
    }
    let sum: u64 = put.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(spool.used() >= sum, "{} < {sum}", spool.used());
}

#[tokio::test]
async fn many_at_once_each_get_their_own_back() {
    let dir = Dir::new();
    let spool = dir.spool();
    let all = (0..500u32).map(|n| {
        let spool = spool.clone();
        async move { (n, spool.put(n.to_string().into()).await.unwrap()) }
    });
    for (n, blob) in futures::future::join_all(all).await {
        assert_eq!(spool.read(&blob).await.unwrap(), n.to_string());
    }
}

#[tokio::test]
async fn a_full_spool_refuses_and_has_room_again_when_something_goes() {
    let dir = Dir::new();
    let spool = Spool::open(dir.0.path(), 4 << 20).unwrap();
    let large = spool.put(bytes(3 << 20, 0)).await.unwrap();
    let used = spool.used();
    assert!(matches!(spool.put(bytes(2 << 20, 0)).await, Err(SpoolError::Full)));
    assert!(matches!(spool.put_stream(whole(bytes(2 << 20, 0))).await, Err(SpoolError::Full)));
    assert_eq!(spool.used(), used);
    spool.drop_blobs([&large]).unwrap();
    assert!(spool.used() < 100);
    spool.put(bytes(2 << 20, 0)).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_breaks_off_leaves_nothing() {
    let dir = Dir::new();
    let spool = dir.spool();
    let broken = vec![Ok(bytes(2 << 20, 0)), Err(io::Error::other("cut"))];
    assert!(spool.put_stream(futures::stream::iter(broken).boxed()).await.is_err());
    assert_eq!((spool.used(), dir.files().len()), (0, 0));
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_and_never_other_bytes() {
    let dir = Dir::new();
    let spool = dir.spool();
    for length in [3000, 2 << 20] {
        let blob = spool.put(bytes(length, 0)).await.unwrap();
        for path in dir.files() {
            fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"!", 1500).unwrap();
        }
        assert!(spool.read(&blob).await.is_err(), "{length}");
        let streamed = match spool.stream(&blob).await {
            Ok((_, stream)) => collect(stream, u64::MAX).await.map(|_| ()),
            Err(_) => Err(io::Error::other("refused at once")),
        };
        assert!(streamed.is_err(), "{length}");
    }
}

#[tokio::test]
async fn a_dropped_blob_is_gone_and_its_neighbours_stay() {
    let dir = Dir::new();
    let spool = dir.spool();
    let (a, b) = (spool.put("a".into()).await.unwrap(), spool.put("b".into()).await.unwrap());
    spool.drop_blobs([&a]).unwrap();
    assert!(matches!(spool.read(&a).await, Err(SpoolError::Missing(_))));
    assert_eq!(spool.read(&b).await.unwrap(), "b");
    spool.drop_blobs([&a, &b]).unwrap();
    drop(spool);
    // Nothing lives in the segment, and no process writes to it any more.
    let spool = dir.spool();
    spool.sweep(Timestamp::EPOCH, &|_| Ok(true)).unwrap();
    assert_eq!((dir.files().len(), spool.used()), (0, 0));
}

#[tokio::test]
async fn a_segment_that_is_mostly_dead_gives_its_bytes_back_and_keeps_its_names() {
    let dir = Dir::new();
    let spool = dir.spool();
    let mut blobs = Vec::new();
    for n in 0..40 {
        blobs.push(spool.put(bytes(500_000, n)).await.unwrap());
    }
    let before = spool.used();
    let kept: Vec<_> = blobs.iter().step_by(7).cloned().collect();
    spool.drop_blobs(blobs.iter().filter(|blob| !kept.contains(blob))).unwrap();
    assert!(spool.used() < before / 2, "{} of {before}", spool.used());
    drop(spool);
    let spool = dir.spool();
    assert!(spool.used() < before / 2, "{} of {before}", spool.used());
    for (n, blob) in (0..40).step_by(7).zip(&kept) {
        assert!(spool.read(blob).await.unwrap() == bytes(500_000, n));
    }
}

#[tokio::test]
async fn a_sweep_drops_what_nothing_names_but_not_what_was_just_written() {
    let dir = Dir::new();
    let (named, lost, large) = {
        let spool = dir.spool();
        let named = spool.put("named".into()).await.unwrap();
        (named, spool.put("lost".into()).await.unwrap(), spool.put(bytes(2 << 20, 0)).await.unwrap())
    };
    let spool = dir.spool();
    let new = spool.put("new".into()).await.unwrap();
    let is_named = |blob: &BlobId| Ok(*blob == named);
    assert_eq!(spool.sweep(Timestamp::EPOCH, &is_named).unwrap(), 2);
    assert!(spool.read(&lost).await.is_err() && spool.read(&large).await.is_err());
    assert_eq!(spool.read(&named).await.unwrap(), "named");
    assert_eq!(spool.read(&new).await.unwrap(), "new");
    let later = Clock::real().now().plus(Duration::from_secs(1));
    assert_eq!(spool.sweep(later, &is_named).unwrap(), 1);
}

#[tokio::test]
async fn a_torn_tail_loses_only_what_was_never_acknowledged() {
    let dir = Dir::new();
    let blob = dir.spool().put("whole".into()).await.unwrap();
    let path = dir.files().remove(0);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"tbS1L\0\0\0\0\0", length).unwrap();
    let spool = dir.spool();
    assert_eq!(spool.read(&blob).await.unwrap(), "whole");
    let new = spool.put("new".into()).await.unwrap();
    assert_eq!(spool.read(&new).await.unwrap(), "new");
}

#[tokio::test]
async fn an_id_that_is_none_is_missing() {
    let spool = Dir::new().spool();
    for id in ["", "s-1", "s-00000000-00000000-00000000", "f-0-0", "../../etc/passwd", "s-0-0-0-0"] {
        assert!(matches!(spool.read(&BlobId::new(id)).await, Err(SpoolError::Missing(_))), "{id}");
    }
}
