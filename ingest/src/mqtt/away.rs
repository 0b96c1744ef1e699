//! Verdicts for subscribers whose session lasts and whose connection does not: kept until they come back, a bounded number of the
//! newest. After a restart of ours nothing is kept of before; whoever misses a verdict asks for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use painwatch_access::GatewayPrincipal;
use tokio::time::Instant;

use super::listeners::Notice;

/// Verdicts kept for one session: as many as are queued for one that is connected.
pub const KEPT_OF_ONE: usize = 256;
/// Verdicts kept for everybody who is away, some 30 MB.
const KEPT: usize = 65_536;

#[derive(Debug)]
struct Absent {
    client_id: String,
    /// The end of its session.
    until: Instant,
    kept: VecDeque<Arc<Notice>>,
}

#[derive(Debug, Default)]
pub struct Away {
    by_gateway: HashMap<GatewayPrincipal, Vec<Absent>>,
    count: usize,
}

impl Away {
    pub fn expects(&self, who: &GatewayPrincipal) -> bool {
        self.by_gateway.contains_key(who)
    }

    /// A subscriber goes; `unread` it has not seen or not acknowledged. Returns how many of these are dropped.
    pub fn leave(
        &mut self,
        (who, client_id): (&GatewayPrincipal, &str),
        until: Instant,
        unread: impl Iterator<Item = Arc<Notice>>,
    ) -> u64 {
        self.come_back(who, client_id);
        let mut absent = Absent { client_id: client_id.to_owned(), until, kept: VecDeque::new() };
        let dropped = unread.map(|notice| absent.keep(&notice, &mut self.count)).sum();
        self.by_gateway.entry(who.clone()).or_default().push(absent);
        dropped
    }

    /// What was kept for it, the oldest first.
    pub fn come_back(&mut self, who: &GatewayPrincipal, client_id: &str) -> VecDeque<Arc<Notice>> {
        let Some(absent) = self.by_gateway.get_mut(who) else { return VecDeque::new() };
        let place = absent.iter().position(|absent| absent.client_id == client_id);
        let kept = place.map(|place| absent.swap_remove(place).kept).unwrap_or_default();
        if absent.is_empty() {
            self.by_gateway.remove(who);
        }
        self.count -= kept.len();
        kept
    }

    /// Keeps a verdict for everybody of the gateway who is away; returns for how many, and how many were dropped for it.
    pub fn keep(&mut self, who: &GatewayPrincipal, notice: &Arc<Notice>, now: Instant) -> (u64, u64) {
        let Self { by_gateway, count } = self;
        let Some(absent) = by_gateway.get_mut(who) else { return (0, 0) };
        for over in absent.extract_if(.., |absent| absent.until <= now) {
            *count -= over.kept.len();
        }
        let dropped = absent.iter_mut().map(|absent| absent.keep(notice, count)).sum();
        let kept = absent.len() as u64;
        if absent.is_empty() {
            by_gateway.remove(who);
        }
        (kept, dropped)
    }
}

impl Absent {
    fn keep(&mut self, notice: &Arc<Notice>, count: &mut usize) -> u64 {
        let mut dropped = 0;
        if (self.kept.len() == KEPT_OF_ONE || *count >= KEPT) && self.kept.pop_front().is_some() {
            *count -= 1;
            dropped = 1;
        }
        if *count >= KEPT {
            // Others keep that many: this one has nothing to give up for it.
            return dropped + 1;
        }
        self.kept.push_back(Arc::clone(notice));
        *count += 1;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use painwatch_domain::{GatewayId, TenantId};

    use super::*;

    fn gateway(id: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(id).unwrap() }
    }

    fn notice(nth: usize) -> Arc<Notice> {
        Arc::new(Notice { payload: Bytes::from(nth.to_string()), correlation: None })
    }

    fn read(kept: &VecDeque<Arc<Notice>>) -> Vec<usize> {
        kept.iter().map(|notice| std::str::from_utf8(&notice.payload).unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn the_newest_verdicts_are_kept_for_a_session_until_it_ends() {
        let (mut away, one, now) = (Away::default(), gateway("gw-1"), Instant::now());
        let until = now + Duration::from_secs(60);
        assert_eq!(away.leave((&one, "gw-1"), until, [notice(0), notice(1)].into_iter()), 0);
        let dropped: u64 = (2..=KEPT_OF_ONE).map(|nth| away.keep(&one, &notice(nth), now).1).sum();
        assert_eq!((dropped, away.keep(&gateway("gw-2"), &notice(9), now)), (1, (0, 0)));
        assert_eq!(read(&away.come_back(&one, "gw-1")), (1..=KEPT_OF_ONE).collect::<Vec<_>>());
        assert!(!away.expects(&one) && away.count == 0);

        away.leave((&one, "gw-1"), until, std::iter::once(notice(0)));
        away.leave((&one, "gw-1/b"), until + Duration::from_secs(1), std::iter::once(notice(1)));
        away.keep(&one, &notice(2), until);
        assert_eq!(read(&away.come_back(&one, "gw-1")), [0; 0]);
        assert_eq!(read(&away.come_back(&one, "gw-1/b")), [1, 2]);
        assert_eq!(away.count, 0);
    }

    #[test]
    fn all_who_are_away_share_one_bound() {
        let (mut away, now) = (Away::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        let sessions = KEPT / KEPT_OF_ONE + 1;
        let mut dropped = 0;
        for nth in 0..sessions {
            let unread = (0..KEPT_OF_ONE).map(notice);
            dropped += away.leave((&gateway(&format!("gw-{nth}")), "c"), until, unread);
        }
        assert_eq!((away.count, dropped), (KEPT, KEPT_OF_ONE as u64));
        assert_eq!(away.keep(&gateway("gw-0"), &notice(7), now), (1, 1));
        assert_eq!(read(&away.come_back(&gateway("gw-0"), "c")).last(), Some(&7));
    }
}
