//! A connection of HTTP/1.1 of which only what has one reading is read, and whose heads come in time.

use super::framing::Framing;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

const READ_BYTES: usize = 4 << 10;

/// A stream whose reader gets what [`Framing`] passes on. It ends in an error if a head takes too long.
pub(super) struct Strict<S> {
    inner: S,
    framing: Framing,
    /// What was passed on and not read yet, and how much of it was.
    passed: Vec<u8>,
    read_bytes: usize,
    head_max: Duration,
    /// Runs while a head has begun and not ended.
    head_ends: Option<Pin<Box<Sleep>>>,
}

impl<S> Strict<S> {
    pub(super) fn new(inner: S, head_max: Duration) -> Strict<S> {
        let framing = Framing::default();
        Strict { inner, framing, passed: Vec::new(), read_bytes: 0, head_max, head_ends: None }
    }

    /// Hands on what is there; whether anything was.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let left = self.passed.get(self.read_bytes..).unwrap_or_default();
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        self.read_bytes += count;
        if self.read_bytes == self.passed.len() {
            self.passed.clear();
            self.read_bytes = 0;
        }
        count != 0
    }

    /// An error once the head that is under way has taken too long.
    fn check_head(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.framing.is_within_head() {
            self.head_ends = None;
            return Ok(());
        }
        let head_max = self.head_max;
        let ends = self.head_ends.get_or_insert_with(|| Box::pin(sleep(head_max)));
        match ends.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_on(buffer) {
                return Poll::Ready(Ok(()));
            }
            // The end of the stream would end the answer too; the answer closes the connection.
            if this.framing.is_over() {
                return Poll::Pending;
            }
            this.check_head(context)?;
            let mut bytes = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.framing.take(read.filled(), &mut this.passed);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
