//! An installation and the program on it: commands, a server, and the ways in which a server ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::waiting;

/// So long may a start take, recovery included, on a machine that does other things as well.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A data directory and how the program is configured for it.
pub struct Installation {
    pub data: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    open_files: Option<u32>,
}

impl Installation {
    /// Keeps everything in `data`; what the program logs goes to `log`, which must survive whatever happens to `data`.
    pub fn new(data: PathBuf, log: PathBuf) -> Self {
        let installation = Self { data, log, environment: Vec::new(), open_files: None };
        installation
            .with("PAINWATCH__INGEST__MQTT__LISTEN", "127.0.0.1:0")
            .with("PAINWATCH__INGEST__GRPC__LISTEN", "127.0.0.1:0")
            .with("PAINWATCH__HTTP__LISTEN", "127.0.0.1:0")
            .with("PAINWATCH__ADMIN__LISTEN", "127.0.0.1:0")
    }

    /// In a directory of its own below `parent`.
    pub fn below(parent: &Path, name: &str) -> Self {
        Self::new(parent.join(name), parent.join(format!("{name}.log")))
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != key);
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// MQTT on one port for the life of the installation, so that gateways find a server that was started again. Below
    /// the range from which the system hands out ports.
    pub fn on_a_fixed_port(self) -> Self {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        // Ten for each process of tests, so that those that run beside each other do not choose the same.
        let first = 10_000 + (std::process::id() % 2_000) as u16 * 10;
        let mut ports = (0..10).map(|_| first + TAKEN.fetch_add(1, Ordering::Relaxed) % 10);
        let free = ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let address = format!("127.0.0.1:{}", free.expect("a free port"));
        self.with("PAINWATCH__INGEST__MQTT__LISTEN", &address)
    }

    /// Its processes may have so many files open.
    pub fn with_open_files(self, limit: u32) -> Self {
        Self { open_files: Some(limit), ..self }
    }

    fn command(&self) -> Command {
        let program = std::env::var_os("PAINWATCH_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_painwatch").into());
        let mut command = match self.open_files {
            None => Command::new(program),
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &limit.to_string()]).arg(program);
                shell
            }
        };
        command.envs(self.environment.iter().map(|(key, value)| (key, value))).current_dir("/");
        command.arg("--data").arg(&self.data);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("the program starts")
    }

    /// Runs a command that has to succeed; what it said on standard output.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "painwatch {} ended with {}\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// The rows that answer a query.
    pub fn sql(&self, query: &str) -> Vec<Value> {
        rows(&self.told(&["sql", "--format", "json", query]))
    }

    /// The one figure that answers a query.
    pub fn figure(&self, query: &str) -> u64 {
        let rows = self.sql(query);
        let figures: Vec<u64> =
            rows.iter().flat_map(|row| row.as_object().expect("a row").values()).filter_map(Value::as_u64).collect();
        assert_eq!(figures.len(), 1, "{query}: {rows:?}");
        figures[0]
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.told(&["status", "--json"])).expect("JSON")
    }

    /// Every built-in checker passes; the canonical hash.
    pub fn verified(&self) -> String {
        let told = self.told(&["verify", "--json"]);
        let checks = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let hash = checks.filter(|check| check["check"].as_str().is_some_and(|name| name.starts_with("canonical")));
        let hashes: Vec<String> = hash.map(|check| check["figure"].as_str().expect("a figure").to_owned()).collect();
        assert_eq!(hashes.len(), 1, "{told}");
        hashes[0].clone()
    }

    /// A token out of `credentials.toml`.
    pub fn token(&self, whose: &str) -> String {
        let text = std::fs::read_to_string(self.data.join("credentials.toml")).expect("credentials.toml");
        let table: toml::Table = text.parse().expect("TOML");
        table[whose]["token"].as_str().expect("a token").to_owned()
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Starts a server and waits until it is ready.
    pub fn serve_with(&self, environment: &[(&str, &str)]) -> Server {
        let mut server = self.begin_to_serve(environment);
        assert!(server.becomes_ready(), "the server did not become ready; its log:\n{}", self.log_tail());
        server
    }

    /// Starts a server that may well die before it is ready.
    pub fn begin_to_serve(&self, environment: &[(&str, &str)]) -> Server {
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = self.command();
        command.arg("serve").env("RUST_LOG", "warn").envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().expect("standard output"));
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Server { child, lines, mqtt: String::new(), grpc: String::new(), http: String::new(), admin: String::new() }
    }

    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// The rows of an answer in JSON: one array, or a row a line.
fn rows(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(rows)) => rows,
        _ => text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect(),
    }
}

/// A running `painwatch serve`. Dropped, it is killed.
pub struct Server {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub mqtt: String,
    pub grpc: String,
    pub http: String,
    pub admin: String,
}

impl Server {
    fn becomes_ready(&mut self) -> bool {
        let end = Instant::now() + START_LIMIT;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["listening", "mqtt", address] => self.mqtt = address.to_owned(),
                ["listening", "grpc", address] => self.grpc = address.to_owned(),
                ["listening", "http", address] => self.http = address.to_owned(),
                ["listening", "admin", address] => self.admin = address.to_owned(),
                ["ready"] => return true,
                _ => {}
            }
        }
        false
    }

    /// Stops it where it is, in the middle of whatever it does.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "kill {name}: {sent}");
    }

    /// As the name says: no signal handler, no destructor, nothing flushed.
    pub fn kill_9(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Waits until it dies by itself.
    pub fn dies_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut status = None;
        waiting::until(limit, || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status
    }

    /// Asks it to stop, and it stops well.
    pub fn stop(mut self) {
        self.signal("-TERM");
        let status = self.dies_within(Duration::from_secs(30)).expect("it stops within 30 s");
        assert!(status.success(), "the server stopped with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
