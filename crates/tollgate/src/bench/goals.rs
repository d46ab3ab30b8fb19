//! The goals of speed: what was set out, what is aimed at, and what was measured.

use serde::Serialize;

/// What can be held against the goals; each where it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Durable purchases a second at 32 in flight.
    pub purchases_32_per_second: Option<f64>,
    /// The bare two-commit loop with 32 callers, payments a second.
    pub bare_32_per_second: Option<f64>,
    /// Durable purchases a second at 256 in flight.
    pub purchases_256_per_second: Option<f64>,
    /// The bare loop in batches of 256, payments a second.
    pub bare_256_per_second: Option<f64>,
    /// CHECK_STATUS answers a second.
    pub status_per_second: Option<f64>,
    /// Answers a second of the HTTP echo with both signatures.
    pub echo_per_second: Option<f64>,
    /// Median of the time that the gateway adds at 8 in flight, milliseconds.
    pub added_p50_ms: Option<f64>,
    /// The same, p99.
    pub added_p99_ms: Option<f64>,
    /// The gateway's processor time for a purchase at 32 in flight, microseconds.
    pub cpu_us_per_purchase: Option<f64>,
    /// Start on existing data to the first answer, milliseconds.
    pub start_ms: Option<f64>,
    /// Resident memory when idle, MiB.
    pub resident_idle_mib: Option<f64>,
    /// The binary, MiB.
    pub binary_mib: Option<f64>,
    /// CREATE_TOKEN answers a second at 64 in flight: the least of all loads.
    pub tokenizations_per_second: Option<f64>,
    /// GET_TOKENS answers for one name a second at 64 in flight: the least of all loads.
    pub token_look_ups_per_second: Option<f64>,
    /// The highest p99 of these, milliseconds.
    pub tokens_p99_ms: Option<f64>,
    /// Their rate with many stored cards by the rate with few.
    pub stored_cards_ratio: Option<f64>,
    /// Rows that a rotation of keys seals anew in a second under payments.
    pub rotated_per_second: Option<f64>,
    /// p99 of payments during a rotation by p99 before it.
    pub rotation_p99_ratio: Option<f64>,
}

/// One goal and what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// A stable name.
    pub name: &'static str,
    /// The words.
    pub what: &'static str,
    /// Which direction is better.
    pub better: Better,
    /// What was measured; a ratio, or in the unit of the name.
    pub measured: Option<f64>,
    /// What has to be reached.
    pub goal: f64,
    /// What is aimed at.
    pub aim: f64,
    /// How it stands.
    pub verdict: Verdict,
}

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More.
    Higher,
    /// Less.
    Lower,
}

/// How a figure stands to its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The aim is reached.
    Aim,
    /// The goal is reached, the aim is not.
    Goal,
    /// The goal is missed.
    Missed,
    /// Nothing was measured.
    NotMeasured,
}

impl Verdict {
    /// For a person.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Aim => "aim reached",
            Verdict::Goal => "goal reached",
            Verdict::Missed => "MISSED",
            Verdict::NotMeasured => "not measured",
        }
    }
}

/// The table of goals.
pub fn table(figures: &Figures) -> Vec<Goal> {
    let mut goals = payment_goals(figures);
    goals.extend(card_goals(figures));
    goals
}

fn card_goals(figures: &Figures) -> Vec<Goal> {
    let (higher, lower) = (Better::Higher, Better::Lower);
    vec![
        goal(
            "tokenizations_per_second",
            "tokenizations/s at 64 in flight",
            higher,
            figures.tokenizations_per_second,
            5_000.0,
            10_000.0,
        ),
        goal(
            "token_look_ups_per_second",
            "token look-ups/s at 64 in flight",
            higher,
            figures.token_look_ups_per_second,
            15_000.0,
            25_000.0,
        ),
        goal("tokens_p99_ms", "the highest p99 of these, ms", lower, figures.tokens_p99_ms, 40.0, 20.0),
        goal(
            "stored_cards_ratio",
            "their rate with many stored cards / with few",
            higher,
            figures.stored_cards_ratio,
            0.80,
            0.95,
        ),
        goal(
            "rotated_per_second",
            "rows sealed anew a second under payments",
            higher,
            figures.rotated_per_second,
            10_000.0,
            19_000.0,
        ),
        goal(
            "rotation_p99_ratio",
            "p99 of payments during a rotation of keys / before it",
            lower,
            figures.rotation_p99_ratio,
            2.0,
            1.2,
        ),
    ]
}

fn payment_goals(figures: &Figures) -> Vec<Goal> {
    let ratio = |of: Option<f64>, to: Option<f64>| Some(of? / to?).filter(|ratio| ratio.is_finite());
    let purchases_32 = ratio(figures.purchases_32_per_second, figures.bare_32_per_second);
    let purchases_256 = ratio(figures.purchases_256_per_second, figures.bare_256_per_second);
    let status = ratio(figures.status_per_second, figures.echo_per_second);
    let (higher, lower) = (Better::Higher, Better::Lower);
    vec![
        goal(
            "purchases_32_ratio",
            "durable purchases/s at 32 in flight / bare loop, 32 callers",
            higher,
            purchases_32,
            0.40,
            0.75,
        ),
        goal(
            "purchases_256_ratio",
            "durable purchases/s at 256 in flight / bare batches of 256",
            higher,
            purchases_256,
            0.35,
            0.65,
        ),
        goal("status_ratio", "CHECK_STATUS answers/s / HTTP echo with both signatures", higher, status, 0.40, 0.60),
        goal(
            "added_p50_ms",
            "time added by the gateway at 8 in flight, p50, ms",
            lower,
            figures.added_p50_ms,
            2.5,
            1.5,
        ),
        goal(
            "added_p99_ms",
            "time added by the gateway at 8 in flight, p99, ms",
            lower,
            figures.added_p99_ms,
            15.0,
            8.0,
        ),
        goal(
            "cpu_us_per_purchase",
            "gateway CPU for a purchase at 32 in flight, us",
            lower,
            figures.cpu_us_per_purchase,
            250.0,
            150.0,
        ),
        goal("start_ms", "start on existing data to the first answer, ms", lower, figures.start_ms, 100.0, 15.0),
        goal("resident_idle_mib", "resident memory when idle, MiB", lower, figures.resident_idle_mib, 24.0, 10.0),
        goal("binary_mib", "size of the binary, MiB", lower, figures.binary_mib, 25.0, 12.0),
    ]
}

fn goal(name: &'static str, what: &'static str, better: Better, measured: Option<f64>, goal: f64, aim: f64) -> Goal {
    let reaches = |bar: f64, figure: f64| match better {
        Better::Higher => figure >= bar,
        Better::Lower => figure <= bar,
    };
    let verdict = match measured {
        None => Verdict::NotMeasured,
        Some(figure) if reaches(aim, figure) => Verdict::Aim,
        Some(figure) if reaches(goal, figure) => Verdict::Goal,
        Some(_) => Verdict::Missed,
    };
    Goal { name, what, better, measured, goal, aim, verdict }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn verdict(figures: Figures, name: &str) -> Verdict {
        table(&figures).into_iter().find(|goal| goal.name == name).unwrap().verdict
    }

    #[test]
    fn a_ratio_needs_both_figures_and_a_divisor() {
        let mut figures = Figures { purchases_32_per_second: Some(4_000.0), ..Figures::default() };
        assert_eq!(verdict(figures, "purchases_32_ratio"), Verdict::NotMeasured);
        figures.bare_32_per_second = Some(0.0);
        assert_eq!(verdict(figures, "purchases_32_ratio"), Verdict::NotMeasured);
        figures.bare_32_per_second = Some(8_000.0);
        assert_eq!(verdict(figures, "purchases_32_ratio"), Verdict::Goal);
        figures.bare_32_per_second = Some(5_000.0);
        assert_eq!(verdict(figures, "purchases_32_ratio"), Verdict::Aim);
        figures.bare_32_per_second = Some(10_001.0);
        assert_eq!(verdict(figures, "purchases_32_ratio"), Verdict::Missed);
    }

    #[test]
    fn less_is_better_for_times_and_sizes() {
        let at = |ms| verdict(Figures { start_ms: Some(ms), ..Figures::default() }, "start_ms");
        assert_eq!(
            [at(15.0), at(15.1), at(100.0), at(100.1)],
            [Verdict::Aim, Verdict::Goal, Verdict::Goal, Verdict::Missed]
        );
    }

    #[test]
    fn the_aim_is_always_harder_than_the_goal() {
        for goal in table(&Figures::default()) {
            assert_eq!(goal.better == Better::Higher, goal.aim > goal.goal, "{}", goal.name);
        }
    }
}
