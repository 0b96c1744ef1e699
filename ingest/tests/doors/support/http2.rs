//! HTTP/2 frame by frame, for peers that no client library would be.

use std::io::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::codegen::http::Request;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

pub const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn text(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(short @ ..127) => out.push(short),
        _ => {
            out.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                out.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            out.push(rest as u8);
        }
    }
    out.extend(text.as_bytes());
}

/// A call that goes on: its fields, none of them compressed or remembered.
pub fn call(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    // :method POST, :scheme http, :path
    let mut block = vec![0x83, 0x86, 0x04];
    text(&mut block, path);
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// Its size as RFC 9113 counts it: 32 for each field beside its bytes.
pub fn list_size(path: &str, fields: &[(&str, &str)]) -> usize {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path)];
    pseudo.iter().chain(fields).map(|(name, value)| name.len() + value.len() + 32).sum()
}

/// A message as a frame of gRPC.
pub fn message(compressed: bool, message: &[u8]) -> Bytes {
    [&[u8::from(compressed)][..], &(message.len() as u32).to_be_bytes(), message].concat().into()
}

/// A message as a compressed frame of gRPC.
pub fn packed(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    message(true, &encoder.finish().unwrap())
}

/// A call whose head is sent and whose body is to come, on a connection of its own.
pub async fn begin(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    gzip: bool,
) -> (SendStream<Bytes>, ResponseFuture) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://x{path}")).header("content-type", "application/grpc");
    request = request.header("te", "trailers");
    if gzip {
        request = request.header("grpc-encoding", "gzip");
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut sender = sender.ready().await.unwrap();
    let (answer, sending) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    (sending, answer)
}

/// The `grpc-status` that a call ends with.
pub async fn status(answer: ResponseFuture) -> String {
    let ending = async {
        let mut answer = answer.await.unwrap();
        if let Some(status) = answer.headers().get("grpc-status") {
            return status.to_str().unwrap().to_owned();
        }
        let body = answer.body_mut();
        while let Some(data) = body.data().await {
            let length = data.unwrap().len();
            body.flow_control().release_capacity(length).unwrap();
        }
        body.trailers().await.unwrap().unwrap()["grpc-status"].to_str().unwrap().to_owned()
    };
    timeout(super::SOON, ending).await.expect("the call ends")
}

pub struct Peer(TcpStream);

impl Peer {
    /// Connects and sends `frames` right behind the preface, in one piece.
    pub async fn connect(address: SocketAddr, frames: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let opening =
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[]), frames.to_vec()].concat();
        stream.write_all(&opening).await.unwrap();
        Self(stream)
    }

    pub async fn send(&mut self, frames: &[u8]) {
        self.0.write_all(frames).await.unwrap();
    }

    /// The next frame; `None` when the connection is at its end.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame that `wanted` picks.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = timeout(super::SOON, self.next()).await.expect("a frame").expect("no end");
            if wanted(&frame) {
                return frame;
            }
        }
    }
}
