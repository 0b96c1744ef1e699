//! A way through the WebSocket at `/mqtt`, for a client of MQTT that speaks none.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// More than a probe says at a time.
const PIECE: usize = 4 << 10;

/// Open for one connection, for as long as it is held.
pub struct Tunnel {
    pub address: SocketAddr,
    _carrying: JoinSet<()>,
}

impl Tunnel {
    /// # Errors
    /// Nobody listens there, or no WebSocket is opened for MQTT.
    pub async fn open(to: SocketAddr) -> Result<Self> {
        let mut request = format!("ws://{to}/mqtt").into_client_request()?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, "mqtt".parse()?);
        let (socket, _) = client_async(request, TcpStream::connect(to).await?).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            if let Ok((stream, _)) = listener.accept().await {
                // Whoever waits for an answer learns of the end by its own connection's.
                let _ = carry(stream, socket).await;
            }
        });
        Ok(Self { address, _carrying: carrying })
    }
}

async fn carry(mut stream: TcpStream, mut socket: WebSocketStream<TcpStream>) -> Result<()> {
    let mut piece = [0; PIECE];
    loop {
        tokio::select! {
            count = stream.read(&mut piece) => match count? {
                0 => return Ok(socket.close(None).await?),
                count => socket.send(Message::Binary(piece[..count].to_vec().into())).await?,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => stream.write_all(&bytes).await?,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => bail!("the WebSocket ended: {other:?}"),
            },
        }
    }
}
