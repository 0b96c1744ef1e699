//! WebSocket (RFC 6455) as the stream of bytes that MQTT wants: what a client's binary frames hold is handed on as it comes and
//! nothing of it is kept, however large a frame says it is. Whoever reads decides how much memory a peer gets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// The last frame of a message.
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// A client's frame begins with two bytes, the rest of a length above 125, and four bytes of a mask.
const HEAD_MIN: usize = 6;
const HEAD_MAX: usize = 14;
/// What a ping or a last word may hold.
const CONTROL_MAX: usize = 125;

/// How far the frame that is being read is.
#[derive(Debug)]
enum Reading {
    Head {
        bytes: [u8; HEAD_MAX],
        have: usize,
    },
    Data {
        left: u64,
        mask: Mask,
    },
    Control {
        kind: u8,
        left: usize,
        mask: Mask,
        said: Vec<u8>,
    },
    /// The peer has said its last word.
    Over,
}

impl Reading {
    const NEXT: Self = Self::Head { bytes: [0; HEAD_MAX], have: 0 };
}

/// The key that hides what a client says from proxies on the way, and how far it is used.
#[derive(Clone, Copy, Debug)]
struct Mask {
    key: [u8; 4],
    used: usize,
}

impl Mask {
    fn lift(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte ^= self.key[self.used % 4];
            self.used += 1;
        }
    }
}

/// The server's side of a WebSocket.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    reading: Reading,
    /// Within a message of several frames.
    in_message: bool,
    /// Frames of ours that are not written yet.
    out: BytesMut,
    /// What the last ping held that is not answered yet. RFC 6455 lets earlier ones go unanswered.
    ping: Option<Vec<u8>>,
    /// We have said our last word.
    closed: bool,
}

impl<S> Frames<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, reading: Reading::NEXT, in_message: false, out: BytesMut::new(), ping: None, closed: false }
    }

    fn put(&mut self, kind: u8, said: &[u8]) {
        self.out.put_u8(FINAL | kind);
        match said.len() {
            length @ 0..=125 => self.out.put_u8(length as u8),
            length @ 126..=0xffff => {
                self.out.put_u8(126);
                self.out.put_u16(length as u16);
            }
            length => {
                self.out.put_u8(127);
                self.out.put_u64(length as u64);
            }
        }
        self.out.put_slice(said);
    }

    fn begin(&mut self, head: &[u8; HEAD_MAX]) -> io::Result<()> {
        let (is_final, kind) = (head[0] & FINAL != 0, head[0] & 0x0f);
        let (left, mask_at) = match head[1] & !MASKED {
            126 => (u64::from(u16::from_be_bytes([head[2], head[3]])), 4),
            127 => (u64::from_be_bytes(head[2..10].try_into().unwrap_or_default()), 10),
            short => (u64::from(short), 2),
        };
        let mask = Mask { key: head[mask_at..mask_at + 4].try_into().unwrap_or_default(), used: 0 };
        // Extensions that nobody agreed on, or a client that hides nothing.
        if head[0] & 0x70 != 0 || head[1] & MASKED == 0 {
            return Err(broken("a frame that no client may send"));
        }
        self.reading = match kind {
            CONTINUATION if !self.in_message => return Err(broken("a continuation of nothing")),
            BINARY if self.in_message => return Err(broken("a message within a message")),
            CONTINUATION | BINARY => {
                self.in_message = !is_final;
                Reading::Data { left, mask }
            }
            CLOSE | PING | PONG if is_final && left <= CONTROL_MAX as u64 => {
                Reading::Control { kind, left: left as usize, mask, said: Vec::new() }
            }
            // MQTT travels in binary messages only.
            _ => return Err(broken("a frame of another kind")),
        };
        Ok(())
    }

    fn heed(&mut self, kind: u8, said: Vec<u8>) {
        self.reading = Reading::NEXT;
        match kind {
            PING => self.ping = Some(said),
            CLOSE => {
                self.reading = Reading::Over;
                self.close();
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.put(CLOSE, &[]);
        }
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const fn head_bytes(second: u8) -> usize {
    match second & !MASKED {
        126 => HEAD_MIN + 2,
        127 => HEAD_MAX,
        _ => HEAD_MIN,
    }
}

/// Reads into `buffer`; how much.
fn poll_some<S: AsyncRead + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

impl<S: AsyncWrite + Unpin> Frames<S> {
    /// Until everything that is to be written is.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let (true, Some(said)) = (self.out.is_empty() && !self.closed, &self.ping) {
                let said = said.clone();
                self.ping = None;
                self.put(PONG, &said);
            }
            if self.out.is_empty() {
                self.out = BytesMut::new();
                return Pin::new(&mut self.stream).poll_flush(context);
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            // Answers to pings leave while somebody reads; a peer that does not take them is read all the same.
            if this.ping.is_some() || !this.out.is_empty() {
                let _ = this.poll_written(context)?;
            }
            match &mut this.reading {
                Reading::Head { bytes, have } => {
                    let wanted = if *have < 2 { HEAD_MIN } else { head_bytes(bytes[1]) };
                    let is_bare = *have >= 2 && bytes[1] & MASKED == 0;
                    if *have == wanted || is_bare {
                        let head = *bytes;
                        this.begin(&head)?;
                        continue;
                    }
                    match ready!(poll_some(&mut this.stream, context, &mut bytes[*have..wanted]))? {
                        0 => return Poll::Ready(Ok(())),
                        count => *have += count,
                    }
                }
                Reading::Data { left: 0, .. } => this.reading = Reading::NEXT,
                Reading::Data { left, mask } => {
                    let most = buffer.remaining().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let into = buffer.initialize_unfilled_to(most);
                    let count = ready!(poll_some(&mut this.stream, context, into))?;
                    mask.lift(&mut into[..count]);
                    *left -= count as u64;
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Reading::Control { kind, left: 0, said, .. } => {
                    let (kind, said) = (*kind, std::mem::take(said));
                    this.heed(kind, said);
                }
                Reading::Control { left, mask, said, .. } => {
                    let mut piece = [0; CONTROL_MAX];
                    let count = ready!(poll_some(&mut this.stream, context, &mut piece[..*left]))?;
                    if count == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    mask.lift(&mut piece[..count]);
                    said.extend(&piece[..count]);
                    *left -= count;
                }
                Reading::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(context))?;
        if self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.put(BINARY, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        self.poll_written(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt as _, StreamExt as _};
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// A client's frame, with whatever bits in its first byte.
    fn frame(first: u8, said: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match said.len() {
            short @ ..=125 => frame.push(MASKED | short as u8),
            longer => frame.extend([&[MASKED | 126][..], &(longer as u16).to_be_bytes()].concat()),
        }
        let mut mask = Mask { key: [0x37, 0xfa, 0x21, 0x3d], used: 0 };
        frame.extend(mask.key);
        let mut hidden = said.to_vec();
        mask.lift(&mut hidden);
        [frame, hidden].concat()
    }

    /// What is handed on of frames that come in pieces of a size, and what is answered.
    async fn handed_on(frames: &[u8], piece: usize) -> (io::Result<Vec<u8>>, Vec<u8>) {
        let (mut client, server) = duplex(1 << 20);
        let saying = async {
            for piece in frames.chunks(piece) {
                // Whoever is shown out in the middle of a sentence cannot finish it.
                let _ = client.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _ = client.shutdown().await;
            let mut answered = Vec::new();
            client.read_to_end(&mut answered).await.unwrap();
            answered
        };
        let hearing = async move {
            let (mut server, mut heard) = (Frames::new(server), Vec::new());
            server.read_to_end(&mut heard).await.map(|_| heard)
        };
        let (answered, heard) = tokio::join!(saying, hearing);
        (heard, answered)
    }

    #[tokio::test]
    async fn a_message_is_handed_on_whole_however_it_is_cut_and_whatever_comes_between() {
        let said: Vec<u8> = (0..70_000_u32).map(|nth| (nth % 251) as u8).collect();
        let frames = [
            frame(BINARY, &said[..10]),
            frame(FINAL | PING, b"still there?"),
            frame(CONTINUATION, &[]),
            frame(CONTINUATION, &said[10..60_000]),
            frame(FINAL | PONG, b"nobody asked"),
            frame(FINAL, &said[60_000..69_000]),
            frame(FINAL | BINARY, &said[69_000..]),
        ];
        for piece in [1, 7, 1_000, 1 << 20] {
            let (heard, answered) = handed_on(&frames.concat(), piece).await;
            assert_eq!(heard.unwrap(), said, "in pieces of {piece}");
            assert_eq!(answered, [&[FINAL | PONG, 12][..], b"still there?"].concat());
        }
    }

    #[tokio::test]
    async fn a_last_word_is_answered_and_nothing_after_it_is_read() {
        let frames = [frame(FINAL | CLOSE, &[3, 232]), frame(FINAL | BINARY, b"more")];
        let (heard, answered) = handed_on(&frames.concat(), 1_000).await;
        assert_eq!((heard.unwrap(), answered), (Vec::new(), vec![FINAL | CLOSE, 0]));
    }

    #[tokio::test]
    async fn what_no_client_may_send_ends_the_stream() {
        let bare = vec![FINAL | BINARY, 0];
        for (what, frames) in [
            ("text", frame(FINAL | 0x1, b"CONNECT")),
            ("not masked", bare),
            ("an extension", frame(FINAL | 0x40 | BINARY, b"x")),
            ("a continuation of nothing", frame(FINAL, b"x")),
            ("a message within a message", [frame(BINARY, b""), frame(BINARY, b"x")].concat()),
            ("a ping in parts", frame(PING, b"x")),
            ("a long ping", frame(FINAL | PING, &[0; CONTROL_MAX + 1])),
            ("an unknown kind", frame(FINAL | 0xb, b"x")),
        ] {
            let (heard, _) = handed_on(&frames, 1_000).await;
            assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::InvalidData, "{what}");
        }
    }

    #[tokio::test]
    async fn a_frame_that_says_it_is_endless_is_handed_on_as_it_comes() {
        let (mut client, server) = duplex(64);
        let mut server = Frames::new(server);
        client
            .write_all(&[&[FINAL | BINARY, 0xff][..], &(u64::MAX >> 1).to_be_bytes(), &[0; 4], b"abc"].concat())
            .await
            .unwrap();
        let mut heard = [0; 8];
        assert_eq!(server.read(&mut heard).await.unwrap(), 3);
        assert_eq!(&heard[..3], b"abc");
    }

    #[tokio::test]
    async fn another_implementation_understands_frames_of_every_length() {
        let (client, server) = duplex(1 << 20);
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let mut server = Frames::new(server);
        for length in [1, 125, 126, 0xffff, 0x1_0000, 200_000] {
            let said: Vec<u8> = (0..length).map(|nth: u32| (nth % 253) as u8).collect();
            server.write_all(&said).await.unwrap();
            server.flush().await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Binary(said.clone().into()));
            client.send(Message::Binary(said.clone().into())).await.unwrap();
            let mut heard = vec![0; said.len()];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, said);
        }
        server.shutdown().await.unwrap();
        assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        client.flush().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0, "the client has answered");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_data_or_an_end_and_no_fault(frames in prop::collection::vec(any::<u8>(), 0..600), piece in 1..40_usize) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (heard, _) = runtime.block_on(handed_on(&frames, piece));
            prop_assert!(heard.is_err() || heard.unwrap().len() <= frames.len());
        }
    }
}
