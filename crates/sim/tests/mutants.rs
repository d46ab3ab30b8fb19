//! Proof that the simulator can fail: each defect that is put in is found within the number of seeds that it states.
#![allow(clippy::unwrap_used)]

use tollgate_sim::{Keep, Mutant, Plan, SESSIONS_PER_SEED, Sessions, run};

/// Payments of one seed here.
const SESSIONS: Sessions = Sessions { first: 0, count: SESSIONS_PER_SEED };

fn seeds_until_found(mutant: Mutant) -> Option<u64> {
    (1..=mutant.seeds_max()).find(|seed| {
        let (faults, mutant) = (mutant.faults(), Some(mutant));
        let plan = Plan { sessions: SESSIONS, faults, mutant, ..Plan::of_seed(*seed) };
        run(&plan, Keep::Digest).unwrap().violation.is_some()
    })
}

#[test]
fn each_mutant_is_found_within_the_seeds_that_it_states() {
    let survivors: Vec<_> = Mutant::ALL.iter().filter(|mutant| seeds_until_found(**mutant).is_none()).collect();
    assert!(survivors.is_empty(), "these mutants survive: {survivors:?}");
}
