//! Makes a failing run smaller: fewer sessions, fewer faults, as long as it still fails.

use crate::plan::{Fault, Plan, Sessions};
use crate::record::Keep;
use crate::world;

/// How many smaller runs are tried.
const TRIES_MAX: u32 = 200;

/// The smallest failing plan that was found. Gives `plan` itself when nothing smaller fails.
///
/// # Errors
/// When a world cannot be built.
pub fn shrink(plan: &Plan) -> anyhow::Result<Plan> {
    let mut search = Search { best: plan.clone(), tries: 0 };
    // Sessions first: every later try is cheaper for it. Faults are then taken away one by one; when one was not needed,
    // some sessions may not be needed either.
    loop {
        let before = search.best.clone();
        search.fewer_sessions()?;
        search.fewer_faults()?;
        if search.best == before || search.tries >= TRIES_MAX {
            return Ok(search.best);
        }
    }
}

struct Search {
    best: Plan,
    tries: u32,
}

impl Search {
    fn fewer_sessions(&mut self) -> anyhow::Result<()> {
        let mut cut = self.best.sessions.count / 2;
        while cut > 0 {
            let Sessions { first, count } = self.best.sessions;
            let without_end = Sessions { first, count: count.saturating_sub(cut) };
            let without_begin = Sessions { first: first + cut, count: count.saturating_sub(cut) };
            let smaller = without_end.count > 0
                && (self.fails(Plan { sessions: without_end, ..self.best.clone() })?
                    || self.fails(Plan { sessions: without_begin, ..self.best.clone() })?);
            if !smaller || cut >= self.best.sessions.count {
                cut /= 2;
            }
        }
        Ok(())
    }

    fn fewer_faults(&mut self) -> anyhow::Result<()> {
        for fault in Fault::ALL {
            if self.best.faults.has(*fault) {
                let faults = self.best.faults.without(*fault);
                self.fails(Plan { faults, ..self.best.clone() })?;
            }
        }
        Ok(())
    }

    /// Whether `plan` fails, too; then it is the best so far.
    fn fails(&mut self, plan: Plan) -> anyhow::Result<bool> {
        if self.tries >= TRIES_MAX {
            return Ok(false);
        }
        self.tries += 1;
        let failed = world::run(&plan, Keep::Digest)?.violation.is_some();
        if failed {
            self.best = plan;
        }
        Ok(failed)
    }
}
