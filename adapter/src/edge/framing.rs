//! Where requests begin and end on a connection of HTTP/1.1, read so strictly that no other reader can see it
//! differently.
//!
//! Two readers that disagree about where a request ends are how one request is smuggled inside another. The
//! library that serves HTTP is lenient where the standard lets it be: it takes a bare line feed for the end of
//! a line, a length beside chunks for a mistake, and ignores offers to speak something else. Nothing gets to it
//! that leaves room for two readings.
//!
//! A head is passed on if and only if
//! 1. each of its lines ends with CR LF, and neither stands anywhere else;
//! 2. its first line begins with a method in capital letters, and not many of them;
//! 3. each other line is a name, a colon right after it, and a value: none continues the one before;
//! 4. it has one `Host`, at most one `Content-Length`, a plain number, and no `Transfer-Encoding`: a body is as
//!    long as its head says;
//! 5. it does not offer to speak another protocol;
//! 6. it is within the bounds of [`super::limits`].
//!
//! In the place of any other head stands a request that no peer can send, which says how to answer; after it
//! nothing is passed on any more.

use super::limits::{HEAD_BYTES_MAX, HEADERS_COUNT_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};
use axum::http::{Method, StatusCode};

/// Where one is in what a peer sends.
#[derive(Debug)]
enum State {
    /// In the head of a request: `line` is where the line begins that has not ended.
    Head { bytes: Vec<u8>, line: usize, lines_count: usize },
    /// In the body: so many bytes are to come.
    Body(u64),
    /// Nothing more is passed on.
    Over,
}

/// Follows what a peer sends on a connection.
#[derive(Debug)]
pub(super) struct Framing(State);

impl Default for Framing {
    fn default() -> Framing {
        Framing(State::start())
    }
}

impl State {
    fn start() -> State {
        State::Head { bytes: Vec::new(), line: 0, lines_count: 0 }
    }
}

impl Framing {
    /// Takes what a peer has sent, and appends what may be passed on.
    pub(super) fn take(&mut self, mut bytes: &[u8], passed: &mut Vec<u8>) {
        while !bytes.is_empty() {
            match &mut self.0 {
                State::Over => return,
                State::Body(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (body, rest) = bytes.split_at(count);
                    passed.extend_from_slice(body);
                    *left -= u64::try_from(count).unwrap_or(*left);
                    bytes = rest;
                    if *left == 0 {
                        self.0 = State::start();
                    }
                }
                State::Head { bytes: head, line, lines_count } => {
                    let end = bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
                    let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    head.extend_from_slice(part);
                    bytes = rest;
                    let begun = head.get(*line..).unwrap_or_default();
                    let step = within(head.len(), *lines_count, begun.len()).and_then(|()| {
                        if end.is_none() { Ok(Line::Unfinished) } else { line_of(begun) }
                    });
                    match step {
                        Ok(Line::Unfinished) => {}
                        Ok(Line::Some) => {
                            *line = head.len();
                            *lines_count += 1;
                        }
                        Ok(Line::Empty) => match body_length(head) {
                            Ok(length) => {
                                passed.append(head);
                                self.0 =
                                    if length == 0 { State::start() } else { State::Body(length) };
                            }
                            Err(status) => self.refuse(status, passed),
                        },
                        Err(status) => self.refuse(status, passed),
                    }
                }
            }
        }
    }

    /// Whether a head was begun and has not ended.
    pub(super) fn is_within_head(&self) -> bool {
        matches!(&self.0, State::Head { bytes, .. } if !bytes.is_empty())
    }

    /// Whether nothing is passed on any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.0, State::Over)
    }

    fn refuse(&mut self, status: StatusCode, passed: &mut Vec<u8>) {
        let head = format!("{REFUSED}{} / HTTP/1.1\r\nhost: -\r\n\r\n", status.as_str());
        passed.extend_from_slice(head.as_bytes());
        self.0 = State::Over;
    }
}

/// What the method of a request begins with that stands in the place of another.
const REFUSED: char = '~';

/// How a request of HTTP/1.1 is to be answered that stands in the place of one that was refused.
pub(super) fn refused(method: &Method) -> Option<StatusCode> {
    let status = method.as_str().strip_prefix(REFUSED)?;
    status.parse().ok().or(Some(StatusCode::BAD_REQUEST))
}

enum Line {
    Unfinished,
    Some,
    Empty,
}

/// Whether a head that is not whole yet is within its bounds.
fn within(head_bytes: usize, lines_count: usize, line_bytes: usize) -> Result<(), StatusCode> {
    if lines_count == 0 && TARGET_BYTES_MAX < line_bytes {
        return Err(StatusCode::URI_TOO_LONG);
    }
    // The first line is no header, and the last is empty.
    if HEAD_BYTES_MAX < head_bytes || HEADERS_COUNT_MAX + 1 < lines_count {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    Ok(())
}

/// A line with its end.
fn line_of(line: &[u8]) -> Result<Line, StatusCode> {
    let line = line.strip_suffix(b"\r\n").ok_or(StatusCode::BAD_REQUEST)?;
    if line.contains(&b'\r') {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(if line.is_empty() { Line::Empty } else { Line::Some })
}

/// How long the body is that follows a head.
fn body_length(head: &[u8]) -> Result<u64, StatusCode> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(BAD)?;
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let first = lines.next().ok_or(BAD)?;
    if !is_method(first.split(|byte| *byte == b' ').next().unwrap_or_default()) {
        return Err(BAD);
    }
    let (mut length, mut hosts_count) = (None, 0);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(BAD)?;
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(BAD);
        }
        match name.to_ascii_lowercase().as_slice() {
            b"host" => hosts_count += 1,
            b"transfer-encoding" | b"upgrade" | b"http2-settings" => return Err(BAD),
            b"content-length" => {
                let before = length.replace(number(&value[1..]).ok_or(BAD)?);
                if before.is_some() {
                    return Err(BAD);
                }
            }
            _ => {}
        }
    }
    if hosts_count == 1 { Ok(length.unwrap_or(0)) } else { Err(BAD) }
}

/// Whether a request may begin with this: capital letters, of which no method has many.
pub(super) fn is_method(text: &[u8]) -> bool {
    (1..=METHOD_BYTES_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_uppercase)
}

/// What names of headers are made of.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";

    fn passed(bytes: &[u8]) -> String {
        let (mut framing, mut passed) = (Framing::default(), Vec::new());
        framing.take(bytes, &mut passed);
        String::from_utf8(passed).unwrap()
    }

    #[test]
    fn what_has_one_reading_is_passed_on_as_it_is() {
        for sent in [
            format!("{GOOD}abc"),
            format!("{GOOD}abc{GOOD}def"),
            format!("{GOOD}\r\n\r"),
            String::from("GET / HTTP/1.1\r\nhost:a\r\n\r\nGET / HTTP/1.1\r\nhost:a\r\n\r\n"),
            String::from("GET / HTTP/1.1\r\nhost:a\r\nx: \r\ncontent-length:0\r\n\r\n"),
        ] {
            assert_eq!(passed(sent.as_bytes()), sent);
        }
    }

    /// Row 45 of the threat table: everything that another reader may see differently.
    #[test]
    fn what_has_two_readings_is_refused_and_nothing_after_it_is_read() {
        let head = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        for sent in [
            head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
            head("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
            head("Transfer-Encoding: chunked\r\n"),
            head("Transfer-Encoding: xchunked\r\n"),
            head("Transfer-Encoding : chunked\r\n"),
            head("Content-Length: 3\r\nContent-Length: 3\r\n"),
            head("Content-Length: 3\r\nContent-Length: 4\r\n"),
            head("Content-Length: 3, 3\r\n"),
            head("Content-Length: +3\r\n"),
            head("Content-Length: 0x3\r\n"),
            head("Content-Length:\r\n"),
            head("Content-Length: 99999999999999999999\r\n"),
            head("Content-Length\r\n"),
            head("Content-Length\0: 3\r\n"),
            head("X: a\r\n b\r\n"),
            head("X: a\r\n\tContent-Length: 3\r\n"),
            head("X: a\nContent-Length: 3\r\n"),
            head("X: a\rContent-Length: 3\r\n"),
            head("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
            head("Host: b\r\n"),
            String::from("POST / HTTP/1.1\r\n\r\n"),
            String::from("POST / HTTP/1.1\nHost: a\n\n"),
            String::from("\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n"),
            String::from("~200 / HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "X".repeat(METHOD_BYTES_MAX + 1)),
            String::from(" POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ] {
            let (mut framing, mut passed) = (Framing::default(), Vec::new());
            framing.take(format!("{sent}{GOOD}").as_bytes(), &mut passed);
            let passed = String::from_utf8(passed).unwrap();
            assert_eq!(passed, "~400 / HTTP/1.1\r\nhost: -\r\n\r\n", "{sent:?}");
            assert!(framing.is_over());
        }
    }

    /// Row 47: nobody makes the bank keep more than a head may have.
    #[test]
    fn what_is_too_large_is_refused_before_it_is_whole() {
        let long = "x".repeat(HEAD_BYTES_MAX);
        let many = "X: y\r\n".repeat(HEADERS_COUNT_MAX + 2);
        for (sent, method) in [
            (format!("GET /{long}"), "~414"),
            (format!("GET / HTTP/1.1\r\nX: {long}"), "~431"),
            (format!("GET / HTTP/1.1\r\n{many}"), "~431"),
        ] {
            assert_eq!(passed(sent.as_bytes()).split(' ').next(), Some(method));
        }
        assert_eq!(refused(&"~414".parse().unwrap()), Some(StatusCode::URI_TOO_LONG));
        assert_eq!(refused(&Method::GET), None);
    }

    proptest! {
        /// Prevents: a request that is read differently when it comes in pieces.
        #[test]
        fn pieces_are_read_like_the_whole(
            text in "(GET|P\r?OST) / HTTP/1.1\r?\n(Host: a\r\n|content-length: 1\r\n|x\n){0,3}\r\n[abGET\r\n]{0,9}",
            cuts in proptest::collection::vec(1_usize..9, 0..20),
        ) {
            let bytes = format!("{GOOD}abc{text}");
            let (mut framing, mut passed_on, mut rest) =
                (Framing::default(), Vec::new(), bytes.as_bytes());
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                framing.take(piece, &mut passed_on);
                rest = left;
            }
            framing.take(rest, &mut passed_on);
            prop_assert_eq!(String::from_utf8(passed_on).unwrap(), passed(bytes.as_bytes()));
        }
    }
}
