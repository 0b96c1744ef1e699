//! The writer's thread: drains the queue into groups, commits, answers; ticks when nobody appends.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use painwatch_domain::Offset;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::writer::{Request, Writer};
use super::{answered, frame};
use crate::{AppendOptions, Appended, BoxFuture, JournalError, Refusal, own};

/// Memory that waiting appends may hold; a fuller queue would only add latency.
const QUEUE_BYTES: usize = 64 << 20;
/// What even an empty append counts as, which bounds their number.
const MIN_WEIGHT_BYTES: usize = 1 << 10;
/// A larger group gains no throughput and makes everyone in it wait for its write.
const GROUP_BYTES: usize = 4 << 20;

enum Command {
    Append { request: Request, reply: oneshot::Sender<Appended>, permit: OwnedSemaphorePermit },
    Trim { before: Offset, reply: oneshot::Sender<Result<(), JournalError>> },
    Close,
}

/// What holds the thread: its queue and its end.
#[derive(Debug)]
pub(crate) struct Hand {
    commands: Sender<Command>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    pub(crate) fn start(writer: Writer, tick_after_ms: Option<u64>) -> io::Result<Self> {
        let (commands, queue) = channel();
        let silence = tick_after_ms.map(Duration::from_millis);
        let thread = std::thread::Builder::new().name("journal".into());
        let thread = Some(thread.spawn(move || Loop { writer, queue, silence, group: Group::default() }.run())?);
        Ok(Self { commands, room: Arc::new(Semaphore::new(QUEUE_BYTES)), thread })
    }

    pub(crate) fn append(&self, request: Request) -> BoxFuture<'_, Appended> {
        let weight = weight(&request);
        match self.room.clone().try_acquire_many_owned(weight) {
            Ok(permit) => Box::pin(answered(self.send(request, permit))),
            Err(_) => Box::pin(async move {
                match self.room.clone().acquire_many_owned(weight).await {
                    Ok(permit) => answered(self.send(request, permit)).await,
                    Err(_) => Appended::Refused(Refusal::Closed),
                }
            }),
        }
    }

    fn send(&self, request: Request, permit: OwnedSemaphorePermit) -> oneshot::Receiver<Appended> {
        let (reply, answer) = oneshot::channel();
        if let Err(unsent) = self.commands.send(Command::Append { request, reply, permit }) {
            refuse(unsent.0);
        }
        answer
    }

    pub(crate) fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        let (reply, answer) = oneshot::channel();
        // A thread that is gone drops the reply, which is the answer.
        let _ = self.commands.send(Command::Trim { before, reply });
        Box::pin(async move {
            let gone = || io::Error::other("the journal is closed");
            answer.await.unwrap_or_else(|_| Err(JournalError::Io { file: "journal".into(), source: gone() }))
        })
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Close);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's writer had panicked");
        }
    }
}

fn weight(request: &Request) -> u32 {
    let bytes: usize = request.records.iter().map(frame::size).sum();
    bytes.clamp(MIN_WEIGHT_BYTES, QUEUE_BYTES) as u32
}

fn refuse(command: Command) {
    if let Command::Append { reply, .. } = command {
        let _ = reply.send(Appended::Refused(Refusal::Closed));
    }
}

/// Appends that will share one sync.
#[derive(Default)]
struct Group {
    requests: Vec<Request>,
    waiting: Vec<(oneshot::Sender<Appended>, OwnedSemaphorePermit)>,
    bytes: usize,
}

struct Loop {
    writer: Writer,
    queue: Receiver<Command>,
    silence: Option<Duration>,
    group: Group,
}

impl Loop {
    fn run(mut self) {
        while let Some(first) = self.wait() {
            if !self.serve(first) {
                break;
            }
        }
        self.writer.close();
        self.queue.try_iter().for_each(refuse);
    }

    /// The next command, with ticks while there is none; `None` when nobody can send any more.
    fn wait(&mut self) -> Option<Command> {
        let Some(silence) = self.silence else { return self.queue.recv().ok() };
        loop {
            match self.queue.recv_timeout(silence) {
                Ok(command) => return Some(command),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        let options = AppendOptions { reserved: true, expect: None };
        self.writer.commit(&[Request { records: vec![own::tick()], options }]);
        self.writer.prepare();
    }

    /// Serves `first` and whatever has queued up behind it; false at the end.
    fn serve(&mut self, first: Command) -> bool {
        let mut next = Some(first);
        while let Some(Command::Append { request, reply, permit }) = next {
            self.group.bytes += request.records.iter().map(frame::size).sum::<usize>();
            self.group.requests.push(request);
            self.group.waiting.push((reply, permit));
            next = if self.group.bytes < GROUP_BYTES { self.queue.try_recv().ok() } else { None };
        }
        self.commit();
        match next {
            Some(Command::Trim { before, reply }) => {
                // Nobody may be waiting for it any more.
                let _ = reply.send(self.writer.trim(before));
                true
            }
            Some(Command::Close) => false,
            _ => true,
        }
    }

    fn commit(&mut self) {
        let group = std::mem::take(&mut self.group);
        if group.requests.is_empty() {
            return;
        }
        let answers = self.writer.commit(&group.requests);
        for ((reply, _permit), answer) in group.waiting.into_iter().zip(answers) {
            // A sender that stopped waiting still has its records.
            let _ = reply.send(answer);
        }
        self.writer.prepare();
    }
}
