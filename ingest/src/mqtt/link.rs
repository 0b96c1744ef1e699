//! A socket with the protocol engine on it: bounded in what it reads, in how long it writes and in how it says goodbye.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::wire::Wire;

/// Bytes asked of the socket at a time: little while a connection idles, more while it fills what it is given.
const READ_BYTES_MIN: usize = 1 << 10;
const READ_BYTES_MAX: usize = 64 << 10;
/// A peer that does not take our bytes for this long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// How long and how much we listen after our last words, so that closing does not destroy them on their way.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

pub struct Link<S> {
    stream: S,
    /// Apart, so that the states of a connection's task, each with room for the link, stay small.
    pub wire: Box<Wire>,
    pub input: BytesMut,
    read_bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub fn new(stream: S, max_packet_bytes: u32, max_user_properties: usize) -> Self {
        let wire = Box::new(Wire::new(max_packet_bytes, max_user_properties));
        Self { stream, wire, input: BytesMut::new(), read_bytes: READ_BYTES_MIN }
    }

    /// Reads what is there; 0 at the end. Nothing is lost when the future is dropped.
    pub async fn read(&mut self) -> io::Result<usize> {
        if self.input.is_empty() && self.input.capacity() > 2 * self.read_bytes {
            self.input = BytesMut::new();
        }
        self.input.reserve(self.read_bytes);
        let count = self.stream.read_buf(&mut self.input).await?;
        let filled = count >= self.read_bytes;
        let next = if filled { self.read_bytes * 4 } else { self.read_bytes.min(count * 2) };
        self.read_bytes = next.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        Ok(count)
    }

    /// Reads what is there, and no more than is missing to `total` bytes of input.
    pub async fn read_towards(&mut self, total: usize) -> io::Result<usize> {
        let missing = total.saturating_sub(self.input.len());
        self.input.reserve(missing);
        (&mut self.stream).take(missing as u64).read_buf(&mut self.input).await
    }

    /// Writes everything the engine wants written.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.wire.out.is_empty() {
            return Ok(());
        }
        let out = self.wire.out.split();
        let written = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await
        };
        timeout(WRITE_DEADLINE, written).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Last words, then the end of our side, then silence until the peer has heard it.
    pub async fn close(mut self) {
        // Whoever is gone already needs no goodbye.
        if self.flush().await.is_err() || self.stream.shutdown().await.is_err() {
            return;
        }
        let _ = timeout(LINGER, self.discard()).await;
    }

    async fn discard(&mut self) -> io::Result<()> {
        let mut sink = vec![0; READ_BYTES_MAX];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match self.stream.read(&mut sink).await? {
                0 => return Ok(()),
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }
}

/// What the first bytes of a connection promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    Unclear,
    /// And how many bytes it has, its header among them.
    Connect(usize),
    /// Not a CONNECT, or one larger than anybody needs.
    Unwelcome,
}

/// Looks at the fixed header only: before a CONNECT nobody gets memory for a packet.
///
/// `limit` bounds it, counted as its header does.
pub fn first_packet(input: &[u8], limit: usize) -> FirstPacket {
    let Some((kind, rest)) = input.split_first() else { return FirstPacket::Unclear };
    if *kind != 0x10 {
        return FirstPacket::Unwelcome;
    }
    let mut length = 0;
    for (nth, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * nth);
        if length > limit {
            return FirstPacket::Unwelcome;
        }
        if byte & 0x80 == 0 {
            return FirstPacket::Connect(length + nth + 2);
        }
    }
    if rest.len() < 4 { FirstPacket::Unclear } else { FirstPacket::Unwelcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_small_connect_opens_a_connection() {
        assert_eq!(first_packet(&[], 4 << 10), FirstPacket::Unclear);
        assert_eq!(first_packet(&[0x10], 4 << 10), FirstPacket::Unclear);
        assert_eq!(first_packet(&[0x10, 0x80], 4 << 10), FirstPacket::Unclear);
        assert_eq!(first_packet(&[0x10, 0x20], 4 << 10), FirstPacket::Connect(34));
        assert_eq!(first_packet(&[0x10, 0x80, 0x20], 4 << 10), FirstPacket::Connect((4 << 10) + 3));
        assert_eq!(first_packet(&[0x10, 0x81, 0x20], 4 << 10), FirstPacket::Unwelcome);
        assert_eq!(first_packet(&[0x10, 0xff, 0xff, 0xff, 0x7f], 4 << 10), FirstPacket::Unwelcome);
        assert_eq!(first_packet(&[0x10, 0x80, 0x80, 0x80, 0x80], 4 << 10), FirstPacket::Unwelcome);
        for kind in (0..=255u8).filter(|kind| *kind != 0x10) {
            assert_eq!(first_packet(&[kind, 0x02], 4 << 10), FirstPacket::Unwelcome);
        }
    }
}
