//! Frames as they come in, and where in the connection they began.

use crate::limits::READ_BUFFER_BYTES;
use bytes::Bytes;
use florin_wire::DecodeError;
use florin_wire::frame::LENGTH_BYTES;
use futures_util::StreamExt;
use std::fmt;
use std::io;
use tokio::io::AsyncRead;
use tokio_util::codec::FramedRead;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;

/// The frames of one connection.
pub(crate) struct Frames<R> {
    inner: FramedRead<R, LengthDelimitedCodec>,
    /// Byte of the connection at which the last frame began, its length included.
    frame_start: u64,
    /// Byte of the connection at which the next frame begins.
    frame_end: u64,
}

/// Why no more frames are read.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The peer is gone, or went in the middle of a frame.
    Gone,
    /// What came is not the protocol.
    Malformed(Malformed),
}

/// Where and how bytes broke the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Malformed {
    /// A length above the limit.
    TooLong { frame_start: u64, bytes_max: usize },
    /// A payload that is not what it should be.
    Payload { frame_start: u64, error: DecodeError },
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// The frames that a peer sends, each at most `bytes_max` long.
    pub(crate) fn new(reader: R, bytes_max: usize) -> Frames<R> {
        let codec = LengthDelimitedCodec::builder()
            .little_endian()
            .length_field_length(LENGTH_BYTES)
            .max_frame_length(bytes_max)
            .new_codec();
        let inner = FramedRead::with_capacity(reader, codec, READ_BUFFER_BYTES);
        Frames { inner, frame_start: 0, frame_end: 0 }
    }

    /// Allows frames of another length from here on.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.inner.decoder_mut().set_max_frame_length(bytes_max);
    }

    /// The payload of the next frame; `None` when the peer closed between frames. Dropping the
    /// future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(frame) = self.inner.next().await else { return Ok(None) };
        self.frame_start = self.frame_end;
        match frame {
            Ok(payload) => {
                let frame_bytes = u64::try_from(LENGTH_BYTES + payload.len());
                self.frame_end += frame_bytes.expect("a frame's length fits 64 bits");
                Ok(Some(payload.freeze()))
            }
            // The codec's own error: everything else comes from the socket.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Broken::Malformed(Malformed::TooLong {
                    frame_start: self.frame_start,
                    bytes_max: self.inner.decoder().max_frame_length(),
                }))
            }
            Err(_) => Err(Broken::Gone),
        }
    }

    /// An error in the frame that came last.
    pub(crate) fn malformed(&self, error: DecodeError) -> Malformed {
        Malformed::Payload { frame_start: self.frame_start, error }
    }

    pub(crate) fn into_reader(self) -> R {
        self.inner.into_inner()
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::TooLong { frame_start, bytes_max } => write!(
                f,
                "the frame at byte {frame_start} of the connection says that it is longer than \
                 {bytes_max} bytes"
            ),
            Malformed::Payload { frame_start, error } => write!(
                f,
                "the frame at byte {frame_start} of the connection is malformed at offset {} of \
                 its payload: {}",
                error.offset, error.reason
            ),
        }
    }
}
