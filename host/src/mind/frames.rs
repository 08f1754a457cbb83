//! Reads a server's answer piece by piece, whatever way it was sent: one JSON value a line, server-sent events, or
//! one JSON document. Everything is bounded.

use reqwest::Response;
use serde_json::Value;

use super::http::{Server, quote};
use super::{MindError, Said};

/// Bytes of the mind's words.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Bytes of one frame: the longest answer with every character escaped.
pub const MAX_FRAME_BYTES: usize = 6 * MAX_ANSWER_BYTES + 4096;
/// Bytes of a whole response: a frame has some hundred bytes around each word.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// The JSON values of one response, in order.
pub struct Frames<'a> {
    server: &'a Server,
    response: Response,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold no line end.
    searched: usize,
    received: usize,
    ended: bool,
    max_frame: usize,
    max_response: usize,
}

impl<'a> Frames<'a> {
    pub fn new(server: &'a Server, response: Response) -> Self {
        Self {
            server,
            response,
            buffer: Vec::new(),
            searched: 0,
            received: 0,
            ended: false,
            max_frame: MAX_FRAME_BYTES,
            max_response: MAX_RESPONSE_BYTES,
        }
    }

    /// Of short lines, for as long as they come.
    pub fn endless(server: &'a Server, response: Response, max_frame: usize) -> Self {
        Self { max_frame, max_response: usize::MAX, ..Self::new(server, response) }
    }

    /// The next value; `None` when the server has said all.
    pub async fn next(&mut self) -> Result<Option<Value>, MindError> {
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            let text = match payload(&line) {
                Payload::Nothing => continue,
                Payload::End => return Ok(None),
                Payload::Json(text) => text,
            };
            match serde_json::from_slice(text) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.is_eof() => return self.document(text.to_vec()).await.map(Some),
                Err(_) => return Err(self.unreadable(text)),
            }
        }
    }

    /// A document laid out over several lines: all of the response from `start` on.
    async fn document(&mut self, mut start: Vec<u8>) -> Result<Value, MindError> {
        while let Some(line) = self.line().await? {
            start.push(b'\n');
            start.extend_from_slice(&line);
            if start.len() > self.max_frame {
                return Err(self.too_long());
            }
        }
        serde_json::from_slice(&start)
            .map_err(|error| if error.is_eof() { self.server.broke_off() } else { self.unreadable(&start) })
    }

    /// The next line without its end; the last one may have none.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, MindError> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.ended {
                self.searched = 0;
                let line = std::mem::take(&mut self.buffer);
                return Ok((!line.is_empty()).then_some(line));
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<(), MindError> {
        match self.response.chunk().await {
            Ok(Some(chunk)) => {
                self.received = self.received.saturating_add(chunk.len());
                self.buffer.extend_from_slice(&chunk);
            }
            Ok(None) => self.ended = true,
            Err(_) => return Err(self.server.broke_off()),
        }
        if self.received > self.max_response || self.searched > self.max_frame {
            return Err(self.too_long());
        }
        Ok(())
    }

    fn too_long(&self) -> MindError {
        self.server.garbage("answered too much")
    }

    fn unreadable(&self, text: &[u8]) -> MindError {
        let text = quote(&String::from_utf8_lossy(text));
        self.server.garbage(&format!("answered what is not JSON: {text}"))
    }
}

enum Payload<'a> {
    /// An empty line, a comment, or a field of an event that carries no data.
    Nothing,
    End,
    Json(&'a [u8]),
}

fn payload(line: &[u8]) -> Payload<'_> {
    let line = line.trim_ascii();
    let skipped: [&[u8]; 4] = [b":", b"event:", b"id:", b"retry:"];
    if line.is_empty() || skipped.iter().any(|field| line.starts_with(field)) {
        return Payload::Nothing;
    }
    match line.strip_prefix(b"data:").unwrap_or(line).trim_ascii() {
        b"" => Payload::Nothing,
        b"[DONE]" => Payload::End,
        text => Payload::Json(text),
    }
}

/// All that the mind says in a response. `read` finds the words in a frame, and whether it is the last.
pub async fn conversation(
    server: &Server,
    response: Response,
    said: &Said<'_>,
    read: fn(&Value) -> (Option<&str>, bool),
) -> Result<String, MindError> {
    let mut words = Words { text: String::new(), said };
    let mut frames = Frames::new(server, response);
    while let Some(frame) = frames.next().await? {
        if let Some(error) = frame.get("error").filter(|error| !error.is_null()) {
            return Err(server.failed(error));
        }
        let (piece, is_last) = read(&frame);
        words.add(server, piece.unwrap_or_default())?;
        if is_last {
            break;
        }
    }
    words.finish(server)
}

/// The mind's words as they come in.
struct Words<'a> {
    text: String,
    said: &'a Said<'a>,
}

impl Words<'_> {
    fn add(&mut self, server: &Server, piece: &str) -> Result<(), MindError> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.text.len() + piece.len() > MAX_ANSWER_BYTES {
            let limit = MAX_ANSWER_BYTES / 1024;
            return Err(server.garbage(&format!("answered more than {limit} KiB of text")));
        }
        self.text.push_str(piece);
        (self.said)(piece);
        Ok(())
    }

    /// Everything said, when that is anything.
    fn finish(self, server: &Server) -> Result<String, MindError> {
        if self.text.trim().is_empty() {
            return Err(server.garbage("answered without saying anything"));
        }
        Ok(self.text)
    }
}
