//! What makes a gateway a sandbox, and what only a sandbox can do.
//!
//! A gateway is a sandbox when it was started with `serve --dev`, and by nothing else: no setting, no
//! variable and no request makes one of a gateway that was started without. In a sandbox, and only there,
//! the clock can be moved ([`ClockRoute`]) and faults can be asked for ([`FaultRoute`]).
//!
//! A data folder whose clock was moved stays a sandbox's: [`Mode::may_run_on`] keeps a production gateway off
//! it, since its payments are dated in the future.

mod acquirer;
mod clock_route;
mod fault_code;
mod fault_route;
mod network;

pub use acquirer::SandboxAcquirer;
pub use clock_route::ClockRoute;
pub use fault_route::{FaultRoute, ReferenceFaults};
pub use network::NetworkAdmin;

use crate::clock::FolderClock;
use crate::data_folder::DataFolder;
use anyhow::bail;
use http::StatusCode;
use tollgate_app::Gateway;
use tollgate_core::audit::{AuditAction, AuditEntry, AuditWho};
use tollgate_http::{Response, problem};

/// Whether a gateway is a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Started with `--dev`.
    Sandbox,
    /// Started without: it may hold real money.
    Production,
}

impl Mode {
    /// Whether a gateway in this mode may run on a folder with this clock.
    ///
    /// # Errors
    /// When the folder's clock was moved and the gateway is no sandbox.
    pub fn may_run_on(self, folder: &DataFolder, clock: &FolderClock) -> anyhow::Result<()> {
        if self == Mode::Production && clock.offset_us() != 0 {
            bail!(
                "the clock of {} was moved by a sandbox, so what lies in it is no real money: start it with --dev, or name \
                 a fresh folder with --data",
                folder.path().display()
            );
        }
        Ok(())
    }

    /// Refuses what only a sandbox can do.
    fn allows(self, what: &str) -> Result<(), Box<Response>> {
        match self {
            Mode::Sandbox => Ok(()),
            Mode::Production => Err(Box::new(problem(
                StatusCode::CONFLICT,
                format!("{what} only in a sandbox, and this gateway was started without --dev"),
            ))),
        }
    }
}

/// Notes in the audit log what was done for whoever has the token of the operator API.
async fn note_of_operator(gateway: &Gateway, action: AuditAction, detail: String) {
    let who = AuditWho::Person { name: "operator".to_owned(), by: "operator API".to_owned() };
    let entry = AuditEntry::new(gateway.now(), who, action).saying(detail);
    if let Err(error) = gateway.note_audit(entry).await {
        tracing::error!(%error, %action, "what an operator did could not be noted in the audit log");
    }
}
