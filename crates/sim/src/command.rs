//! The command line.

use crate::many::run_all;
use crate::mutants::Mutant;
use crate::plan::{Faults, Plan, SESSIONS_PER_SEED, Sessions};
use crate::record::Keep;
use crate::shrink::shrink;
use crate::world;
use anyhow::{Context, bail};
use std::io::Write;
use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many events of a story are printed from its beginning.
const STORY_BEGIN_MAX: usize = 100;
/// And how many from its end.
const STORY_END_MAX: usize = 100;

/// Runs the gateway in a simulated world and says what must not be.
#[derive(clap::Parser, Debug)]
#[command(name = "sim")]
pub struct Arguments {
    /// Runs this seed alone, with the story of what fails.
    #[arg(long, conflicts_with_all = ["seeds", "fresh"])]
    seed: Option<u64>,
    /// Runs these seeds, for example 1..1000.
    #[arg(long)]
    seeds: Option<String>,
    /// Runs so many seeds that nobody has chosen, besides those of --seeds.
    #[arg(long)]
    fresh: Option<u64>,
    /// On so many threads.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// How many payments each seed has.
    #[arg(long, default_value_t = SESSIONS_PER_SEED)]
    sessions: u32,
    /// The number of the first of them.
    #[arg(long, default_value_t = 0)]
    first_session: u32,
    /// Which faults may happen: all, none, or names with commas.
    #[arg(long, default_value = "all", value_parser = Faults::parse)]
    faults: Faults,
    /// A defect to put in.
    #[arg(long, value_parser = Mutant::parse)]
    mutant: Option<Mutant>,
    /// A failing run is not made smaller.
    #[arg(long)]
    no_shrink: bool,
}

/// Carries the command out, and tells `out` what came of it. `false` when something was found that must not be.
///
/// # Errors
/// When the arguments make no sense, a world cannot be built, or `out` takes no more.
pub fn carry_out(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<bool> {
    let plans: Vec<Plan> = seeds(arguments, out)?.into_iter().map(|seed| arguments.plan(seed)).collect();
    let sums = run_all(&plans, arguments.jobs)?;
    writeln!(out, "{}", sums.as_text())?;
    let Some(failed) = sums.failed.first() else {
        if let [only] = plans.as_slice() {
            writeln!(out, "digest {:016x}", world::run(only, Keep::Digest)?.digest)?;
        }
        writeln!(out, "nothing was found that must not be")?;
        return Ok(true);
    };
    report("failed", failed, out)?;
    if !arguments.no_shrink {
        report("the smallest that still fails", &shrink(failed)?, out)?;
    }
    Ok(false)
}

/// Prints what a plan comes to, with the story.
fn report(title: &str, plan: &Plan, out: &mut dyn Write) -> anyhow::Result<()> {
    let outcome = world::run(plan, Keep::Events)?;
    writeln!(out, "\n{title}: {}", replay_command(plan))?;
    let Some(violation) = outcome.violation else {
        bail!("a run that failed did not fail again: it is not deterministic")
    };
    let left_out = outcome.story.len().saturating_sub(STORY_BEGIN_MAX + STORY_END_MAX);
    for (place, entry) in outcome.story.iter().enumerate() {
        if place < STORY_BEGIN_MAX || place >= STORY_BEGIN_MAX + left_out {
            writeln!(out, "{entry}")?;
        } else if place == STORY_BEGIN_MAX {
            writeln!(out, "              ... {left_out} more ...")?;
        }
    }
    let order = violation.order.map_or_else(|| "all orders".to_owned(), |order| format!("order {order}"));
    writeln!(out, "seed {}, {order}, at {}.{:03} s:", plan.seed, violation.at_ms / 1000, violation.at_ms % 1000)?;
    writeln!(out, "    expected: {}\n    found: {}", violation.rule, violation.found)?;
    Ok(())
}

/// The command that replays a plan.
fn replay_command(plan: &Plan) -> String {
    let mut command = format!("cargo run -p xtask -- sim --seed {}", plan.seed);
    let Sessions { first, count } = plan.sessions;
    if plan.sessions != Plan::of_seed(plan.seed).sessions {
        command.push_str(&format!(" --first-session {first} --sessions {count}"));
    }
    if plan.faults != Faults::ALL {
        command.push_str(&format!(" --faults {}", plan.faults));
    }
    if let Some(mutant) = plan.mutant {
        command.push_str(&format!(" --mutant {mutant}"));
    }
    command
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        let sessions = Sessions { first: self.first_session, count: self.sessions };
        Plan { seed, sessions, faults: self.faults, mutant: self.mutant }
    }
}

fn seeds(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<Vec<u64>> {
    if let Some(seed) = arguments.seed {
        return Ok(vec![seed]);
    }
    let mut seeds = Vec::new();
    if let Some(range) = &arguments.seeds {
        seeds.extend(parse_range(range)?);
    }
    if let Some(fresh) = arguments.fresh {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        let first = now.as_secs();
        writeln!(out, "fresh seeds: {first}..{}", first + fresh.saturating_sub(1))?;
        seeds.extend(first..first + fresh);
    }
    if seeds.is_empty() {
        bail!("say which seeds: --seed N, --seeds 1..1000, or --fresh 20");
    }
    Ok(seeds)
}

/// Reads `1..1000`, both ends included.
fn parse_range(text: &str) -> anyhow::Result<RangeInclusive<u64>> {
    let (first, last) = text.split_once("..").with_context(|| format!("{text:?} is no range like 1..1000"))?;
    let last = last.strip_prefix('=').unwrap_or(last);
    Ok(first.parse().context("the first seed")?..=last.parse().context("the last seed")?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[test]
    fn a_replay_command_means_the_same_plan() {
        let plan = Plan {
            seed: 7,
            sessions: Sessions { first: 3, count: 20 },
            faults: Faults::parse("drop,crash").unwrap(),
            mutant: Some(Mutant::GiveUp),
        };
        let command = replay_command(&plan);
        let arguments = Arguments::parse_from(command.split(' ').skip(5));
        assert_eq!(arguments.plan(arguments.seed.unwrap()), plan);
    }

    /// Takes so many bytes, as a pipe whose reader has seen enough.
    struct Pipe(usize);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken > 0 { Ok(taken) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_reads_no_further_is_an_error_and_no_panic() {
        let arguments = Arguments::parse_from(["sim", "--seed", "1", "--sessions", "2"]);
        let mut told = Vec::new();
        assert!(carry_out(&arguments, &mut told).unwrap());
        for length in [0, 1, told.len() / 2] {
            let error = carry_out(&arguments, &mut Pipe(length)).unwrap_err();
            let kind = error.downcast_ref().map(std::io::Error::kind);
            assert_eq!(kind, Some(std::io::ErrorKind::BrokenPipe), "{length} bytes: {error:#}");
        }
    }

    #[test]
    fn a_range_has_both_ends() {
        assert_eq!(parse_range("3..5").unwrap(), 3..=5);
        assert!(parse_range("3").is_err());
    }
}
