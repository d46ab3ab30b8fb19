//! The load generator behind `tollgate bench`.
//!
//! By default it measures the real thing: this very binary as a gateway and as a card network, two processes of
//! their own over a fresh data folder, loaded over the loopback by signed FORT requests. Afterwards the sums of the
//! gateway, of the card network's ledger and of the generator itself have to be equal.
//!
//! The walk: `run` starts the processes (`bed`) and goes from phase to phase; `load` drives the connections, with the
//! requests of `script`; `filled` repeats a load over many stored rows and `rotation` while keys are rotated; `sums` compares money; `added` finds out how much of a latency is the gateway's own; `echo`
//! is the ceiling of the HTTP side; `goals` holds the figures against what was set out; `report` and `print` say it.

mod added;
mod batch;
mod bed;
mod ceilings;
mod echo;
mod fetch;
mod filled;
mod folder;
mod goals;
mod histogram;
mod load;
mod print;
mod process;
mod report;
mod rotation;
mod run;
mod script;
mod signer;
mod sums;
mod tally;
mod wire;
mod worker;

pub use load::Pace;
pub use print::print;
pub use report::Report;
pub use run::{OwnPlan, PlanCommon, RunningPlan, WithCeilings, WithRotation, measure_own, measure_running};
pub use script::Mix;
pub use signer::Signer;
