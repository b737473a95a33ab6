//! A connection whose peer takes what it is sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream that fails when its peer takes nothing for so long of what there is for them.
pub(super) struct Taken<S> {
    inner: S,
    stall_max: Duration,
    /// Runs while something can't be written.
    ends: Option<Pin<Box<Sleep>>>,
}

impl<S> Taken<S> {
    pub(super) fn new(inner: S, stall_max: Duration) -> Taken<S> {
        Taken { inner, stall_max, ends: None }
    }

    /// What came of writing, unless that has taken too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.ends = None;
            return written;
        }
        let stall_max = self.stall_max;
        let ends = self.ends.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ends.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.watch(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(context);
        this.watch(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.inner).poll_shutdown(context);
        this.watch(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, interval, timeout};

    const STALL_MAX: Duration = Duration::from_secs(30);

    /// Row 46 of the threat table: a peer that asks and does not read.
    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go_and_who_takes_little_is_not() {
        let (near, mut far) = duplex(10);
        let mut near = Taken::new(near, STALL_MAX);
        let began = Instant::now();
        let writing = tokio::spawn(async move { near.write_all(&[0; 50]).await });
        let mut now_and_then = interval(STALL_MAX - Duration::from_secs(1));
        for _ in 0..4 {
            now_and_then.tick().await;
            far.read_exact(&mut [0; 10]).await.unwrap();
        }
        let last = began.elapsed();
        assert!(2 * STALL_MAX < last && !writing.is_finished());
        assert!(writing.await.unwrap().is_ok(), "the rest had room");

        let (near, far) = duplex(10);
        let mut near = Taken::new(near, STALL_MAX);
        let began = Instant::now();
        let written = timeout(STALL_MAX * 2, near.write_all(&[0; 50])).await.unwrap();
        assert_eq!(written.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        assert_eq!(began.elapsed(), STALL_MAX);
        drop(far);
    }
}
