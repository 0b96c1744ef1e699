//! A real Mosquitto with a disk of its own, that can be stopped and started again.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::waiting;

const START_LIMIT: Duration = Duration::from_secs(20);

/// Dropped, it is killed.
pub struct Mosquitto {
    place: PathBuf,
    pub address: String,
    child: Option<Child>,
}

impl Mosquitto {
    pub fn start(place: &Path) -> Self {
        std::fs::create_dir_all(place).expect("the broker's directory");
        let port = free_port();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location {0}/\n\
             max_queued_messages 0\nmax_inflight_messages 100\nlog_dest file {0}/log\nlog_type all\n",
            place.display()
        );
        std::fs::write(place.join("mosquitto.conf"), settings).expect("the broker's settings");
        let mut broker = Self { place: place.to_owned(), address: format!("127.0.0.1:{port}"), child: None };
        broker.start_again();
        broker
    }

    /// With the sessions and the messages it had when it was stopped.
    pub fn start_again(&mut self) {
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(self.place.join("mosquitto.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("mosquitto (Debian package mosquitto) starts"));
        let up = waiting::until(START_LIMIT, || TcpStream::connect(&self.address).is_ok());
        assert!(up, "{}", self.log());
    }

    /// It writes down what it has, and ends.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
        assert!(asked.success());
        child.wait().expect("it ended");
    }

    /// It still has its port, and does nothing; or goes on.
    pub fn freeze(&self, frozen: bool) {
        let child = self.child.as_ref().expect("it runs");
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits until a client has subscribed as often.
    pub fn wait_for_subscriptions(&self, filter: &str, count: usize) {
        let seen = || self.log().lines().filter(|line| line.trim_end().ends_with(filter)).count();
        assert!(waiting::until(START_LIMIT, || seen() >= count), "{}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("log")).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
