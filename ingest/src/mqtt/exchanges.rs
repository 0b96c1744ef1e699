//! QoS 2: which publishes of a session were taken and not yet released, so that one sent again is not submitted again.
//!
//! Recognised by packet id *and* bytes. A PUBREL is not journalled; after a restart an id may therefore look unfinished
//! that was released and used again. Only a publish with the same bytes is then taken for the old one, and for readings
//! that is true: they would be duplicates.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

/// What a publish is recognised by, besides its packet id.
pub type Digest = [u8; 16];

pub fn digest(topic: &str, payload: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(topic.as_bytes());
    hash.update([0]);
    hash.update(payload);
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Being appended by the connection that is there.
    Taken,
    Durable,
    /// Durable, said by the journal after a restart; whether it was released meanwhile is not known.
    Recalled,
}

/// What is to be done with a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    Submit,
    /// Answer it like the first time, submit nothing.
    Again,
    /// As many are unfinished as may be.
    Full,
}

/// The unfinished exchanges of one session.
#[derive(Debug, Default)]
pub struct Exchanges {
    open: HashMap<u16, (Digest, State)>,
}

impl Exchanges {
    pub fn take(&mut self, packet_id: u16, digest: Digest, limit: usize) -> Taking {
        if let Some((known, state)) = self.open.get_mut(&packet_id)
            && *known == digest
        {
            if *state == State::Recalled {
                *state = State::Durable;
            }
            return Taking::Again;
        }
        self.open.remove(&packet_id);
        if self.open.len() >= limit && !self.forget_a_recalled_one() {
            return Taking::Full;
        }
        self.open.insert(packet_id, (digest, State::Taken));
        Taking::Submit
    }

    fn forget_a_recalled_one(&mut self) -> bool {
        let recalled = self.open.iter().find(|(_, (_, state))| *state == State::Recalled).map(|(id, _)| *id);
        recalled.is_some_and(|id| self.open.remove(&id).is_some())
    }

    /// The publish is durable. One whose connection was taken over meanwhile is known from now on, if there is room.
    pub fn settle(&mut self, packet_id: u16, digest: Digest, limit: usize) {
        let room = self.open.len() < limit;
        match self.open.get_mut(&packet_id) {
            Some((known, state)) if *known == digest => *state = State::Durable,
            None if room => {
                self.open.insert(packet_id, (digest, State::Durable));
            }
            _ => {}
        }
    }

    pub fn is_open(&self, packet_id: u16) -> bool {
        self.open.contains_key(&packet_id)
    }

    /// The exchange is over; false when there was none.
    pub fn release(&mut self, packet_id: u16) -> bool {
        self.open.remove(&packet_id).is_some()
    }

    /// Another connection continues the session: what is not durable yet it has to send again.
    pub fn forget_undurable(&mut self) {
        self.open.retain(|_, (_, state)| *state != State::Taken);
    }

    /// What the journal says after a restart.
    pub fn recall(&mut self, packet_id: u16, digest: Digest) {
        self.open.insert(packet_id, (digest, State::Recalled));
    }

    /// Everything that is durable, by packet id.
    pub fn durable(&self) -> Vec<(u16, Digest)> {
        let durable = self.open.iter().filter(|(_, (_, state))| *state != State::Taken);
        let mut durable: Vec<_> = durable.map(|(id, (digest, _))| (*id, *digest)).collect();
        durable.sort_unstable();
        durable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Digest = [1; 16];
    const TWO: Digest = [2; 16];

    #[test]
    fn the_same_publish_is_submitted_once_until_it_is_released() {
        let mut exchanges = Exchanges::default();
        assert_eq!(exchanges.take(7, ONE, 10), Taking::Submit);
        assert_eq!(exchanges.take(7, ONE, 10), Taking::Again);
        exchanges.settle(7, ONE, 10);
        assert_eq!(exchanges.take(7, ONE, 10), Taking::Again);
        assert!(exchanges.release(7) && !exchanges.release(7));
        assert_eq!(exchanges.take(7, ONE, 10), Taking::Submit);
    }

    #[test]
    fn other_bytes_under_a_known_id_are_another_publish() {
        let mut exchanges = Exchanges::default();
        exchanges.recall(7, ONE);
        assert_eq!(exchanges.take(7, TWO, 10), Taking::Submit);
        exchanges.settle(7, ONE, 10);
        assert!(exchanges.durable().is_empty(), "the old one does not vouch for the new one");
    }

    #[test]
    fn unfinished_exchanges_are_bounded_and_recalled_ones_make_room() {
        let mut exchanges = Exchanges::default();
        exchanges.recall(9, ONE);
        assert_eq!(exchanges.take(1, ONE, 2), Taking::Submit);
        assert_eq!(exchanges.take(2, ONE, 2), Taking::Submit);
        assert_eq!(exchanges.take(3, ONE, 2), Taking::Full);
        assert!(exchanges.release(1));
        assert_eq!(exchanges.take(3, ONE, 2), Taking::Submit);
    }

    #[test]
    fn whoever_continues_a_session_finds_what_is_durable_and_nothing_else() {
        let mut exchanges = Exchanges::default();
        exchanges.take(1, ONE, 10);
        exchanges.take(2, TWO, 10);
        exchanges.settle(1, ONE, 10);
        exchanges.forget_undurable();
        assert_eq!(exchanges.durable(), [(1, ONE)]);
        exchanges.settle(2, TWO, 10);
        assert_eq!(exchanges.durable(), [(1, ONE), (2, TWO)], "it became durable after all");
    }

    #[test]
    fn a_digest_tells_topics_and_payloads_apart() {
        assert_eq!(digest("a", b"b"), digest("a", b"b"));
        assert_ne!(digest("a", b"b"), digest("a", b"c"));
        assert_ne!(digest("ab", b"c"), digest("a", b"bc"));
    }
}
