//! The seeded world: the gateway's real use cases, store and acquirer link in a world where everything can go wrong, and
//! an auditor that knows what may and what may not be. See `docs/simulator.md`.

mod acquirer;
mod audit;
mod chance;
mod clock;
mod command;
mod customers;
mod desk;
mod due;
mod inbox;
mod issuer;
mod keys;
mod life;
mod line;
mod many;
mod merchants;
mod mutants;
mod network;
mod operators;
mod plan;
mod receivers;
mod record;
mod shop;
mod shrink;
mod store;
mod tables;
mod wallet;
mod watch;
mod wire;
mod world;

pub use audit::Violation;
pub use audit::agreements::AgreementSums;
pub use command::{Arguments, carry_out};
pub use many::{Sums, run_all};
pub use mutants::Mutant;
pub use plan::{Fault, Faults, Plan, SESSIONS_PER_SEED, Sessions};
pub use record::{AtPage, Entry, Keep, PAGE_CALLS};
pub use shrink::shrink;
pub use world::{Outcome, run};
