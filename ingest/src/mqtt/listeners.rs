//! Which connections listen for the verdicts on their gateway's submissions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use painwatch_access::GatewayPrincipal;
use tokio::sync::mpsc;

/// Verdicts queued for one subscriber; more are dropped.
const QUEUED_VERDICTS: usize = 256;

/// A verdict on its way to a subscriber.
#[derive(Debug)]
pub struct Notice {
    pub payload: Bytes,
    pub correlation: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Listener {
    generation: u64,
    notices: mpsc::Sender<Arc<Notice>>,
}

#[derive(Debug, Default)]
pub struct Listeners {
    by_gateway: Mutex<HashMap<GatewayPrincipal, Vec<Listener>>>,
}

impl Listeners {
    /// From now on the connection hears the verdicts; what it listened to before is replaced.
    pub fn listen(&self, who: &GatewayPrincipal, generation: u64) -> mpsc::Receiver<Arc<Notice>> {
        let (notices, receiver) = mpsc::channel(QUEUED_VERDICTS);
        self.stop(who, generation);
        self.lock().entry(who.clone()).or_default().push(Listener { generation, notices });
        receiver
    }

    pub fn stop(&self, who: &GatewayPrincipal, generation: u64) {
        let mut by_gateway = self.lock();
        if let Some(listeners) = by_gateway.get_mut(who) {
            listeners.retain(|listener| listener.generation != generation);
            if listeners.is_empty() {
                by_gateway.remove(who);
            }
        }
    }

    pub fn are_there(&self, who: &GatewayPrincipal) -> bool {
        self.lock().contains_key(who)
    }

    /// Hands a verdict to every subscriber that has room for it; returns (delivered, dropped).
    pub fn notify(&self, who: &GatewayPrincipal, notice: &Arc<Notice>) -> (u64, u64) {
        let by_gateway = self.lock();
        let listeners = by_gateway.get(who).map_or(&[][..], Vec::as_slice);
        let delivered = listeners.iter().filter(|to| to.notices.try_send(Arc::clone(notice)).is_ok()).count() as u64;
        (delivered, listeners.len() as u64 - delivered)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GatewayPrincipal, Vec<Listener>>> {
        self.by_gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{GatewayId, TenantId};

    use super::*;

    fn gateway(id: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(id).unwrap() }
    }

    #[test]
    fn a_verdict_goes_to_its_own_gateways_listeners_and_a_full_one_loses_it() {
        let (listeners, one, two) = (Listeners::default(), gateway("gw-1"), gateway("gw-2"));
        let mut notices = listeners.listen(&one, 1);
        let notice = Arc::new(Notice { payload: Bytes::new(), correlation: None });
        assert_eq!(listeners.notify(&two, &notice), (0, 0));
        for _ in 0..QUEUED_VERDICTS {
            assert_eq!(listeners.notify(&one, &notice), (1, 0));
        }
        assert_eq!(listeners.notify(&one, &notice), (0, 1));
        assert!(notices.try_recv().is_ok());
        listeners.stop(&one, 1);
        assert!(!listeners.are_there(&one));
    }
}
