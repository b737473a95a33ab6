//! Frames as they come in, and where in the connection they began.

use crate::limits::{FRAME_TIMEOUT, READ_BUFFER_BYTES};
use bytes::{Bytes, BytesMut};
use florin_wire::DecodeError;
use florin_wire::frame::LENGTH_BYTES;
use futures_util::StreamExt;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;
use tokio_util::codec::FramedRead;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;

/// The frames of one connection.
pub(crate) struct Frames<R> {
    inner: FramedRead<Counted<R>, LengthDelimitedCodec>,
    /// Byte of the connection at which the last frame began, its length included.
    frame_start: u64,
    /// Byte of the connection at which the next frame begins.
    frame_end: u64,
}

/// A socket that counts what was read from it. The codec does not tell whether a frame has begun.
struct Counted<R> {
    socket: R,
    bytes_read: u64,
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
    /// A frame whose rest does not come.
    Stalled { frame_start: u64 },
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
        let counted = Counted { socket: reader, bytes_read: 0 };
        let inner = FramedRead::with_capacity(counted, codec, READ_BUFFER_BYTES);
        Frames { inner, frame_start: 0, frame_end: 0 }
    }

    /// Allows frames of another length from here on.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.inner.decoder_mut().set_max_frame_length(bytes_max);
    }

    /// The payload of the next frame; `None` when the peer closed between frames. Dropping the
    /// future loses nothing but the time that the frame has left.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let frame = match self.whole_or_begun().await {
            Some(frame) => frame,
            None => timeout(FRAME_TIMEOUT, self.inner.next()).await.map_err(|_| {
                Broken::Malformed(Malformed::Stalled { frame_start: self.frame_end })
            })?,
        };
        let Some(frame) = frame else { return Ok(None) };
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

    /// Waits without limit until a frame begins: what was read of the stream if it is there whole,
    /// `None` if there is only a part of it.
    async fn whole_or_begun(&mut self) -> Option<Option<io::Result<BytesMut>>> {
        poll_fn(|context| match self.inner.poll_next_unpin(context) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending if self.frame_end < self.inner.get_ref().bytes_read => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// An error in the frame that came last.
    pub(crate) fn malformed(&self, error: DecodeError) -> Malformed {
        Malformed::Payload { frame_start: self.frame_start, error }
    }

    pub(crate) fn into_reader(self) -> R {
        self.inner.into_inner().socket
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.socket).poll_read(context, buffer));
        let bytes = u64::try_from(buffer.filled().len() - filled_before);
        self.bytes_read += bytes.expect("a buffer's length fits 64 bits");
        Poll::Ready(read)
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
            Malformed::Stalled { frame_start } => write!(
                f,
                "the frame at byte {frame_start} of the connection was not whole within {} seconds",
                FRAME_TIMEOUT.as_secs()
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
