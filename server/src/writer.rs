//! The writing half of a connection: turns answers into bytes, many to a write.

use crate::answer::Answer;
use crate::limits::{REPLIES_PER_WRITE_MAX, WRITE_BYTES};
use bytes::BytesMut;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use zeroize::Zeroize;

/// A socket that is given up when its peer leaves bytes unread for too long.
pub(crate) struct Writer<W> {
    socket: W,
    buffer: BytesMut,
    /// Whether keys are among what the buffer holds.
    is_secret: bool,
    stall_max: Duration,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(crate) fn new(socket: W, stall_max: Duration) -> Writer<W> {
        Writer { socket, buffer: BytesMut::new(), is_secret: false, stall_max }
    }

    /// Writes answers until everyone who owes one has given it: the channel needs no bound of its
    /// own, because a request that waits for its answer holds its place in the connection.
    ///
    /// # Errors
    /// If the peer is gone or stalls; nothing can be written any more.
    pub(crate) async fn write_answers(
        mut self,
        mut answers: UnboundedReceiver<Answer>,
    ) -> io::Result<Writer<W>> {
        let mut batch = Vec::new();
        while 0 < answers.recv_many(&mut batch, REPLIES_PER_WRITE_MAX).await {
            for answer in &batch {
                answer.write(&mut self.buffer);
                self.is_secret |= answer.is_secret();
                // Behind keys nothing is gathered: what grows with them in it leaves copies.
                if self.is_secret || WRITE_BYTES <= self.buffer.len() {
                    self.flush().await?;
                }
            }
            self.flush().await?;
            batch.clear();
        }
        Ok(self)
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// If the peer is gone or stalls.
    pub(crate) async fn write_frame(
        &mut self,
        frame: impl FnOnce(&mut BytesMut),
    ) -> io::Result<()> {
        frame(&mut self.buffer);
        self.flush().await
    }

    /// Tells the peer that nothing more comes.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        timeout(self.stall_max, self.socket.shutdown()).await?
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = async {
            self.socket.write_all(&self.buffer).await?;
            // TLS may have taken the bytes and kept them.
            self.socket.flush().await
        };
        let written = timeout(self.stall_max, written).await;
        self.wipe();
        written??;
        // A large reply's memory is not kept for the small ones that follow.
        if WRITE_BYTES < self.buffer.capacity() {
            self.buffer = BytesMut::new();
        } else {
            self.buffer.clear();
        }
        Ok(())
    }
}

impl<W> Writer<W> {
    /// Leaves no key in memory.
    fn wipe(&mut self) {
        if self.is_secret {
            self.buffer.as_mut().zeroize();
            self.is_secret = false;
        }
    }
}

impl<W> Drop for Writer<W> {
    /// A connection may be given up in the midst of a write.
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    /// Prevents: keys that outlive their destruction in the memory of a connection that broke.
    #[tokio::test]
    async fn keys_are_wiped_although_nobody_took_them() {
        let (socket, peer) = duplex(64);
        drop(peer);
        let mut writer = Writer::new(socket, Duration::from_secs(1));
        writer.buffer.extend_from_slice(b"a key");
        writer.is_secret = true;
        assert!(writer.flush().await.is_err());
        assert_eq!(&writer.buffer[..], [0; 5]);
    }
}
