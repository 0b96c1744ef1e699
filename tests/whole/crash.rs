//! `kill -9` at random moments under load.

use std::time::Duration;

use painwatch_domain::Hash128;

use crate::clinic::{Clinic, GATEWAYS, MESSAGES, opened};
use crate::gateways::Gateways;
use crate::outcome::{self, Outcome};
use crate::program::Installation;
use crate::receiver::Receiver;
use crate::waiting;

/// Messages that a round may use up: three patients' worth.
const PATIENTS_A_ROUND: usize = 3;
/// Patients more than the rounds use up: however fast the machine, the last round has messages left to interrupt.
pub const PATIENTS_IN_RESERVE: usize = 10;
/// As many publishes must be unacknowledged when the server is killed.
const UNACKNOWLEDGED_MIN: usize = 100;

/// The clinic's messages, a queue for each gateway.
pub fn queues(clinic: &Clinic) -> Vec<Vec<painwatch_gateway::outgoing::Payload>> {
    (0..GATEWAYS).map(|gateway| clinic.messages(gateway).collect()).collect()
}

/// What comes of the clinic's data when nothing happens to the server.
pub fn undisturbed(installation: &Installation, clinic: &Clinic) -> Outcome {
    let server = opened(installation, clinic, None);
    let gateways = Gateways::start(&server.mqtt, &installation.token("gateway"), queues(clinic));
    assert_eq!(gateways.finish().resent(), 0);
    server.stop();
    let outcome = outcome::of(installation, clinic);
    assert_eq!(outcome::duplicates(installation), 0);
    outcome
}

pub fn rounds(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

/// A number below `limit` for this round; `PAINWATCH_SEED` repeats a run's moments, as far as a real clock can.
pub fn moment(round: usize, limit: u64) -> u64 {
    let seed = std::env::var("PAINWATCH_SEED").unwrap_or_else(|_| "1".to_owned());
    let hash = Hash128::of(&[seed.as_bytes(), &round.to_le_bytes()]).0;
    u64::from_le_bytes(hash[..8].try_into().expect("8 bytes")) % limit
}

#[test]
fn f1_killed_at_random_moments_under_load_it_loses_and_repeats_no_reading_no_alert_and_no_page() {
    let rounds = rounds("PAINWATCH_KILL_ROUNDS", 12);
    let clinic = Clinic::of(rounds * PATIENTS_A_ROUND + PATIENTS_IN_RESERVE);
    let directory = tempfile::tempdir().expect("a directory");
    let expected = undisturbed(&Installation::below(directory.path(), "undisturbed"), &clinic);

    let installation = Installation::below(directory.path(), "killed").on_a_fixed_port();
    let receiver = Receiver::start();
    let mut server = opened(&installation, &clinic, Some(&receiver.url));
    let gateways = Gateways::start(&server.mqtt, &installation.token("gateway"), queues(&clinic));
    let (share, mut least) = (PATIENTS_A_ROUND * MESSAGES, usize::MAX);
    for round in 0..rounds {
        // Some more than at the last kill, so that they are connected again and under way.
        let more = gateways.acknowledged() + 50;
        gateways.wait_for_acknowledged(more.max(round * share + moment(round, share as u64 / 2) as usize));
        waiting::pause(Duration::from_micros(moment(rounds + round, 20_000)));
        // What it was doing at this moment is what dies; held there, it acknowledges nothing while the gateways go on.
        server.freeze();
        least = least.min(gateways.wait_for_unacknowledged(UNACKNOWLEDGED_MIN));
        server.kill_9();
        server = installation.serve();
    }
    let resent = gateways.finish().resent();
    outcome::wait_until_told(&receiver, &clinic);
    server.stop();

    let outcome = outcome::of(&installation, &clinic);
    outcome.must_be(&expected);
    outcome::one_page_an_alert(&receiver, &outcome);
    let duplicates = outcome::duplicates(&installation);
    println!(
        "measured: {rounds} kills with at least {least} publishes unacknowledged, {resent} publishes sent again, \
         {duplicates} readings found to be known, {} alerts",
        clinic.alert_count()
    );
    assert!(resent >= rounds * UNACKNOWLEDGED_MIN, "{resent} publishes were sent again");
}
