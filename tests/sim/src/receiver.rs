//! The care team's end: takes pages, remembers each, and fails as planned.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use painwatch_alerts::{Answer, Carrier, SignedPage, WebhookSecret};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::life::Life;
use crate::plan::{Deafness, Plan, Window};
use crate::world::{Chronicle, PAGE_TIMEOUT, SimClock, secret};

/// A page as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub notification_id: String,
    pub address: String,
    pub body: String,
    /// The signature is that of the body under the secret we share.
    pub genuine: bool,
    pub at_ms: i64,
    /// False where the answer got lost: then it has to come again.
    pub answered: bool,
}

#[derive(Debug)]
pub struct Receiver {
    windows: Vec<(Window, Deafness)>,
    flaky: f64,
    clock: Arc<SimClock>,
    dice: Dice,
    chronicle: Chronicle,
    secret: WebhookSecret,
    timeout: Duration,
    /// People who look at what arrives.
    readers: UnboundedSender<String>,
    arrived: Mutex<Vec<Arrived>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Receiver {
    pub fn new(plan: &Plan, clock: Arc<SimClock>, chronicle: Chronicle, readers: UnboundedSender<String>) -> Arc<Self> {
        Arc::new(Self {
            windows: plan.receiver.clone(),
            flaky: plan.flaky,
            clock,
            dice: Dice::new(plan.seed, "receiver"),
            chronicle,
            secret: secret(),
            timeout: PAGE_TIMEOUT,
            readers,
            arrived: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        })
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::Relaxed)
    }

    async fn take(&self, page: SignedPage) -> Result<u16, &'static str> {
        self.wander().await;
        match self.deafness() {
            Some(Deafness::Refuses) => return Err("cannot connect"),
            Some(Deafness::Hangs) => return self.give_up().await,
            Some(Deafness::AnswerLost) => {
                self.remember(&page, false);
                return self.give_up().await;
            }
            Some(Deafness::Errors) => return Ok(503),
            None => self.remember(&page, true),
        }
        self.wander().await;
        Ok(204)
    }

    fn deafness(&self) -> Option<Deafness> {
        let now = self.clock.true_ms();
        let lasting = self.windows.iter().find(|(window, _)| window.holds(now)).map(|(_, how)| *how);
        lasting.or_else(|| self.dice.chance(self.flaky).then(|| Deafness::any(&self.dice)))
    }

    async fn give_up(&self) -> Result<u16, &'static str> {
        sleep(self.timeout).await;
        Err("timeout")
    }

    async fn wander(&self) {
        sleep(Duration::from_millis(self.dice.below(400))).await;
    }

    fn remember(&self, page: &SignedPage, answered: bool) {
        let header =
            |name| page.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str());
        let id = header("webhook-id").to_owned();
        let stamp = header("webhook-timestamp").parse().unwrap_or(0);
        let arrived = Arrived {
            genuine: self.secret.sign(&id, stamp, &page.body) == header("webhook-signature"),
            notification_id: id,
            at_ms: self.clock.true_ms(),
            answered,
            address: page.url.to_string(),
            body: String::from_utf8_lossy(&page.body).into_owned(),
        };
        self.chronicle
            .tell(&format!("page {} arrives at {}: {}", arrived.notification_id, arrived.address, arrived.body));
        // Nobody may be there any more.
        let _ = self.readers.send(arrived.body.clone());
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(arrived);
    }
}

/// The way from one life of the process to the receiver.
#[derive(Debug)]
pub struct Line {
    pub receiver: Arc<Receiver>,
    pub life: Arc<Life>,
}

impl Carrier for Line {
    fn post(&self, page: SignedPage) -> Answer<'_> {
        Box::pin(async move {
            self.life.step().await;
            let under_way = UnderWay::begin(&self.receiver);
            let answer = self.receiver.take(page).await;
            drop(under_way);
            self.life.step().await;
            answer
        })
    }
}

struct UnderWay<'a>(&'a Receiver);

impl<'a> UnderWay<'a> {
    fn begin(receiver: &'a Receiver) -> Self {
        let now = receiver.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        receiver.most_under_way.fetch_max(now, Ordering::Relaxed);
        Self(receiver)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
