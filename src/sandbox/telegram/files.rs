//! Files as the Bot API shows them: ids, paths, sizes, and their bytes in memory.

use std::collections::HashMap;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use rand::random;
use serde_json::{Map, Value, json};

use super::params::Upload;

/// The kinds of file that a message can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Document,
    Photo,
    Video,
    Voice,
    Audio,
    Animation,
}

impl FileKind {
    /// The key of the message that carries it, also the parameter's name.
    pub fn key(self) -> &'static str {
        match self {
            FileKind::Document => "document",
            FileKind::Photo => "photo",
            FileKind::Video => "video",
            FileKind::Voice => "voice",
            FileKind::Audio => "audio",
            FileKind::Animation => "animation",
        }
    }

    pub fn by_key(key: &str) -> Option<FileKind> {
        use FileKind::{Animation, Audio, Document, Photo, Video, Voice};
        [Document, Photo, Video, Voice, Audio, Animation].into_iter().find(|kind| kind.key() == key)
    }

    fn folder(self) -> &'static str {
        match self {
            FileKind::Document => "documents",
            FileKind::Photo => "photos",
            FileKind::Video => "videos",
            FileKind::Voice => "voice",
            FileKind::Audio => "music",
            FileKind::Animation => "animations",
        }
    }

    fn id_prefix(self) -> &'static str {
        match self {
            FileKind::Document => "BQAC",
            FileKind::Photo => "AgAC",
            FileKind::Video => "BAAC",
            FileKind::Voice => "AwAC",
            FileKind::Audio => "CQAC",
            FileKind::Animation => "CgAC",
        }
    }
}

/// One file, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFile {
    pub kind: FileKind,
    pub name: String,
    pub mime: String,
    pub bytes: Bytes,
}

impl SentFile {
    pub fn new(kind: FileKind, name: &str, bytes: Bytes) -> Self {
        let mime = match kind {
            FileKind::Photo => "image/jpeg".to_owned(),
            FileKind::Voice => "audio/ogg".to_owned(),
            _ => mime_guess::from_path(name).first_or_octet_stream().to_string(),
        };
        SentFile { kind, name: name.to_owned(), mime, bytes }
    }

    pub fn uploaded(kind: FileKind, upload: &Upload) -> Self {
        SentFile::new(kind, &upload.name, upload.bytes.clone())
    }
}

struct Stored {
    file: SentFile,
    unique_id: String,
    path: String,
}

/// All files of one server.
#[derive(Default)]
pub struct Files {
    by_id: HashMap<String, Stored>,
    ids_by_path: HashMap<String, String>,
    count: usize,
}

/// Widths and heights of a photo's sizes, smallest first.
const PHOTO_SIZES: [(u32, u32); 4] = [(90, 67), (320, 240), (800, 600), (1280, 960)];

impl Files {
    /// Keeps a file and gives the part of a message that carries it.
    pub fn keep(&mut self, file: &SentFile) -> Map<String, Value> {
        let mut part = Map::new();
        let value = match file.kind {
            FileKind::Photo => self.photo_sizes(file),
            _ => self.one(file, file.bytes.clone()),
        };
        if file.kind == FileKind::Animation {
            // “For backward compatibility, when this field is set, the document field will also be set”.
            let mut document = value.clone();
            if let Some(document) = document.as_object_mut() {
                document.retain(|key, _| !matches!(key.as_str(), "width" | "height" | "duration"));
            }
            part.insert("document".to_owned(), document);
        }
        part.insert(file.kind.key().to_owned(), value);
        part
    }

    /// The file of an id.
    pub fn get(&self, file_id: &str) -> Option<&SentFile> {
        self.by_id.get(file_id).map(|stored| &stored.file)
    }

    /// The file of a path that [`describe`](Self::describe) gave.
    pub fn at_path(&self, path: &str) -> Option<&SentFile> {
        self.get(self.ids_by_path.get(path)?)
    }

    /// The `File` object that getFile answers.
    pub fn describe(&self, file_id: &str) -> Option<Value> {
        let stored = self.by_id.get(file_id)?;
        Some(json!({
            "file_id": file_id,
            "file_unique_id": stored.unique_id,
            "file_size": stored.file.bytes.len(),
            "file_path": stored.path,
        }))
    }

    fn photo_sizes(&mut self, file: &SentFile) -> Value {
        let largest = PHOTO_SIZES.len();
        let sizes = PHOTO_SIZES.iter().zip(1..).map(|((width, height), rank)| {
            let share = file.bytes.len() * rank / largest;
            let mut size = self.one(file, file.bytes.slice(..share));
            if let Some(size) = size.as_object_mut() {
                size.insert("width".to_owned(), Value::from(*width));
                size.insert("height".to_owned(), Value::from(*height));
            }
            size
        });
        Value::Array(sizes.collect())
    }

    fn one(&mut self, file: &SentFile, bytes: Bytes) -> Value {
        self.count += 1;
        let file_id = format!("{}{}", file.kind.id_prefix(), BASE64URL_NOPAD.encode(&random::<[u8; 42]>()));
        let unique_id = format!("AgAD{}", BASE64URL_NOPAD.encode(&random::<[u8; 8]>()));
        let extension = match file.kind {
            FileKind::Photo => "jpg",
            FileKind::Voice => "oga",
            _ => file.name.rsplit_once('.').map_or("", |(_, extension)| extension),
        };
        let dot = if extension.is_empty() { "" } else { "." };
        let path = format!("{}/file_{}{dot}{extension}", file.kind.folder(), self.count);
        let value = wire(file, &file_id, &unique_id, bytes.len());
        self.ids_by_path.insert(path.clone(), file_id.clone());
        let file = SentFile { bytes, ..file.clone() };
        self.by_id.insert(file_id, Stored { file, unique_id, path });
        value
    }
}

fn wire(file: &SentFile, file_id: &str, unique_id: &str, size: usize) -> Value {
    let mut value = json!({ "file_id": file_id, "file_unique_id": unique_id, "file_size": size });
    let extra = match file.kind {
        FileKind::Photo => json!({}),
        FileKind::Document => json!({ "file_name": file.name, "mime_type": file.mime }),
        FileKind::Voice => json!({ "duration": 3, "mime_type": file.mime }),
        FileKind::Audio => json!({ "duration": 3, "file_name": file.name, "mime_type": file.mime }),
        FileKind::Video | FileKind::Animation => json!({
            "duration": 3, "width": 640, "height": 360, "file_name": file.name, "mime_type": file.mime,
        }),
    };
    if let (Some(value), Value::Object(extra)) = (value.as_object_mut(), extra) {
        value.extend(extra);
    }
    value
}

/// Whether the bytes begin like a picture that Telegram takes for a photo.
pub fn looks_like_a_picture(bytes: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 5] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF", b"BM"];
    BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning))
}
