//! A line that can be cut: TCP passed on to a server, until all its connections are closed at once.

use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Dropped, the line is down for good.
pub struct Proxy {
    pub address: String,
    lines: Arc<Mutex<JoinSet<()>>>,
    _runtime: Runtime,
}

impl Proxy {
    pub fn to(target: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let lines = Arc::new(Mutex::new(JoinSet::new()));
        runtime.spawn(pass_on(listener, target.to_owned(), Arc::clone(&lines)));
        Self { address, lines, _runtime: runtime }
    }

    /// Whatever is on its way in either direction is gone.
    pub fn cut(&self) {
        self.lines.lock().expect("the lines").abort_all();
    }
}

async fn pass_on(listener: TcpListener, target: String, lines: Arc<Mutex<JoinSet<()>>>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let Ok(mut far) = TcpStream::connect(&target).await else { continue };
        lines.lock().expect("the lines").spawn(async move {
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
