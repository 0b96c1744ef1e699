//! How many connections a door may have: altogether, from one address, and how fast they may come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use painwatch_access::tls::{self, Arrival};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::mqtt::rates::{Bucket, Rate};

/// Handshakes of one door at once. Some 20 KB each; so many silent strangers at a time must be thrown out by their deadline
/// before they keep a gateway waiting.
const HANDSHAKES: usize = 2_048;
/// Connections that are ready and not yet taken by the server behind the door.
const READY: usize = 64;
/// Pause after `accept` failed, which is mostly for want of file descriptors.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct State {
    by_address: HashMap<IpAddr, usize>,
    pace: Bucket,
}

#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    inside: watch::Sender<usize>,
    connections: usize,
    per_address: usize,
    /// Addresses that bring many.
    proxies: Arc<[IpAddr]>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Gate {
    pub fn new(connections: usize, per_address: usize, per_s: NonZeroU32, now: Instant) -> Self {
        let state = State { by_address: HashMap::new(), pace: Bucket::new(Rate::new(per_s, per_s), now) };
        Self {
            state: Mutex::new(state),
            inside: watch::Sender::new(0),
            connections,
            per_address,
            proxies: Arc::default(),
        }
    }

    /// Proxies whose connections are those of many gateways.
    pub fn not_counting(self, proxies: Arc<[IpAddr]>) -> Self {
        Self { proxies, ..self }
    }

    /// When the next connection may be accepted.
    pub fn next_turn(&self, now: Instant) -> Instant {
        self.lock().pace.charge(now)
    }

    /// `None` when there are as many as may be. Loopback and a trusted proxy are one address for everybody who comes that
    /// way, so they are not counted by themselves.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Pass> {
        let brings_many = |address: &IpAddr| address.is_loopback() || self.proxies.contains(address);
        let address = Some(address.to_canonical()).filter(|address| !brings_many(address));
        let mut state = self.lock();
        if *self.inside.borrow() >= self.connections {
            return None;
        }
        if let Some(address) = address {
            let there = state.by_address.entry(address).or_default();
            if *there >= self.per_address {
                return None;
            }
            *there += 1;
        }
        self.inside.send_modify(|inside| *inside += 1);
        Some(Pass { gate: Arc::clone(self), address })
    }

    pub fn inside(&self) -> usize {
        *self.inside.borrow()
    }

    /// Returns when nobody is inside.
    pub async fn empty(&self) {
        let mut inside = self.inside.subscribe();
        // The sender lives as long as we do.
        let _ = inside.wait_for(|inside| *inside == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if let Some(address) = self.address
            && let Some(there) = state.by_address.get_mut(&address)
        {
            *there -= 1;
            if *there == 0 {
                state.by_address.remove(&address);
            }
        }
        self.gate.inside.send_modify(|inside| *inside -= 1);
    }
}

/// A connection ready to be spoken on, and its place.
#[derive(Debug)]
pub struct Guest {
    pub arrival: Arrival,
    pub pass: Pass,
}

/// The connections that `gate` lets in and that are through the `door`, until the receiver is dropped. Slow handshakes hold up nobody
/// else. Who is too many is closed at once and told to `turned_away`; those who are here stay.
pub fn guests(
    listener: TcpListener,
    door: tls::Gate,
    gate: Arc<Gate>,
    turned_away: impl Fn() + Send + Sync + 'static,
) -> mpsc::Receiver<Guest> {
    let (ready, receiver) = mpsc::channel(READY);
    tokio::spawn(async move {
        tokio::select! {
            () = ready.closed() => {}
            () = accept(&listener, &door, &gate, &turned_away, &ready) => {}
        }
    });
    receiver
}

async fn accept(
    listener: &TcpListener,
    door: &tls::Gate,
    gate: &Arc<Gate>,
    turned_away: &(impl Fn() + Sync),
    ready: &mpsc::Sender<Guest>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    while let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(door = ?door.door(), %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Some(pass) = gate.enter(address.ip()) else {
            turned_away();
            continue;
        };
        let (door, ready) = (door.clone(), ready.clone());
        tokio::spawn(async move {
            match door.open(stream, address).await {
                // The receiver is gone when the door closed meanwhile.
                Ok(arrival) => drop(ready.send(Guest { arrival, pass }).await),
                Err(error) => tracing::info!(door = ?door.door(), %error, "a connection was not let in"),
            }
            drop(handshake);
        });
        tokio::time::sleep_until(gate.next_turn(Instant::now())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, per_address: usize, per_s: u32) -> Arc<Gate> {
        Arc::new(Gate::new(connections, per_address, NonZeroU32::new(per_s).unwrap(), Instant::now()))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_so_many_connections_and_loopback_more() {
        let gate = gate(100, 2, 1);
        let (one, two) = (address("192.0.2.1"), address("192.0.2.2"));
        let inside = [gate.enter(one), gate.enter(address("::ffff:192.0.2.1"))];
        assert!(inside.iter().all(Option::is_some), "at the limit");
        assert!(gate.enter(one).is_none(), "beyond it, however it is written");
        assert!(gate.enter(two).is_some());
        let loopback: Vec<_> = (0..10).map(|_| gate.enter(address("127.0.0.1"))).collect();
        assert!(loopback.iter().all(Option::is_some));
        drop(inside);
        assert!(gate.enter(one).is_some(), "places are given back");
    }

    #[test]
    fn a_trusted_proxy_brings_more_than_one_address_may() {
        let open = Gate::new(9, 2, NonZeroU32::MIN, Instant::now());
        let gate = Arc::new(open.not_counting([address("192.0.2.9")].into()));
        let inside: Vec<_> = (0..4).map(|_| gate.enter(address("192.0.2.9"))).collect();
        assert!(inside.iter().all(Option::is_some));
        let direct: Vec<_> = (0..3).map(|_| gate.enter(address("192.0.2.1"))).collect();
        assert_eq!(direct.iter().filter(|pass| pass.is_some()).count(), 2);
    }

    #[test]
    fn all_addresses_together_have_so_many_connections() {
        let gate = gate(2, 2, 1);
        let inside = [gate.enter(address("192.0.2.1")), gate.enter(address("127.0.0.1"))];
        assert!(inside.iter().all(Option::is_some), "at the limit");
        assert!(gate.enter(address("192.0.2.2")).is_none());
        drop(inside);
        assert!(gate.state.lock().unwrap().by_address.is_empty());
        assert_eq!(*gate.inside.borrow(), 0);
    }

    #[test]
    fn a_second_of_connections_comes_at_once_and_the_next_has_to_wait() {
        let now = Instant::now();
        let gate = Gate::new(9, 9, NonZeroU32::new(4).unwrap(), now);
        assert!((0..4).all(|_| gate.next_turn(now) == now), "at the limit");
        assert_eq!(gate.next_turn(now), now + Duration::from_millis(250));
    }
}
