//! What a run is made of: the seed, how many payments, which faults may happen, and how often.

use crate::chance::Chance;
use crate::mutants::Mutant;
use std::fmt;

/// A run, wholly. Two runs of one plan are the same, event by event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// Customers' sessions, one payment each.
    pub sessions: Sessions,
    /// Which faults may happen.
    pub faults: Faults,
    /// A defect that is put in on purpose.
    pub mutant: Option<Mutant>,
}

/// Which of a seed's sessions take place: from `first`, `count` of them. A session is the same in every range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The number of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// How many sessions a run has when nobody says otherwise.
pub const SESSIONS_PER_SEED: u32 = 1_000;
/// On average so much time lies between the beginnings of two sessions, in milliseconds.
pub const SESSION_EVERY_MS: u64 = 50;
/// This long after the last session's beginning no more faults happen, in milliseconds: a storm ends, and then everything
/// has to come to its end.
pub const STORM_TAIL_MS: u64 = 90_000;

/// How often the time of the business may jump in a run of the usual length with customers at the page.
pub const PAGE_JUMPS_MAX: u64 = 3;

/// How many gateways may run on one store.
pub const GATEWAYS_MAX: u8 = 2;

impl Plan {
    /// Seed `seed` with everything that can happen.
    #[must_use]
    pub fn of_seed(seed: u64) -> Plan {
        Plan { seed, sessions: Sessions { first: 0, count: SESSIONS_PER_SEED }, faults: Faults::ALL, mutant: None }
    }

    /// From when on no fault happens, in milliseconds from the beginning.
    #[must_use]
    pub fn calm_from_ms(&self) -> u64 {
        self.window_ms() + STORM_TAIL_MS
    }

    /// How many gateways run on the one store under this seed.
    #[must_use]
    pub fn gateways(&self) -> u8 {
        let several = Chance::of(self.seed, "gateways", &[]).happens(3_400);
        if several { GATEWAYS_MAX } else { 1 }
    }

    /// How long the gateway's link waits for an answer under this seed, in milliseconds.
    #[must_use]
    pub fn answer_timeout_ms(&self) -> u64 {
        Chance::of(self.seed, "link", &[]).between(5_000, 30_000)
    }

    /// In how much time all sessions begin, in milliseconds.
    #[must_use]
    pub fn window_ms(&self) -> u64 {
        u64::from(self.sessions.first.saturating_add(self.sessions.count)) * SESSION_EVERY_MS
    }

    /// Whether under this seed one of the merchants' servers stays away for more than thirty days.
    #[must_use]
    pub fn has_long_silence(&self) -> bool {
        self.faults.has(Fault::ReceiverAway) && Chance::of(self.seed, "long-silence", &[]).happens(2_500)
    }

    /// Whether under this seed the gateway charges agreements by itself.
    #[must_use]
    pub fn has_schedules(&self) -> bool {
        Chance::of(self.seed, "due-dates", &[]).happens(6_000)
    }

    /// So many sessions of 10,000 come by the gateway's page under this seed; under a third of the seeds none does.
    #[must_use]
    pub fn pages_per_10_000(&self) -> u64 {
        let mut chance = Chance::of(self.seed, "pages", &[]);
        if chance.happens(3_300) { 0 } else { chance.between(1_000, 5_000) }
    }

    /// How often the time of the business jumps by more than a customer has, while customers are at the page. Only the
    /// clock of a data folder can be moved, which has one gateway.
    #[must_use]
    pub fn page_jumps(&self) -> u64 {
        if self.pages_per_10_000() == 0 || self.gateways() > 1 {
            return 0;
        }
        self.for_the_storm(Chance::of(self.seed, "page-jumps", &[]).between(0, PAGE_JUMPS_MAX))
    }

    /// How often in this run what happens to a whole machine happens. Its rate says how often in a run of the usual length; a
    /// longer storm has more of it.
    #[must_use]
    pub fn times(&self, fault: Fault) -> u64 {
        self.for_the_storm(self.rates().of(fault))
    }

    /// So many in a storm of this length as there are `usually` in the usual one.
    fn for_the_storm(&self, usually: u64) -> u64 {
        let usual_ms = u64::from(SESSIONS_PER_SEED) * SESSION_EVERY_MS + STORM_TAIL_MS;
        usually.saturating_mul(self.calm_from_ms().max(usual_ms)) / usual_ms
    }

    /// How often each fault happens under this seed.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let mut per_10_000 = [0; Fault::ALL.len()];
        for (slot, fault) in per_10_000.iter_mut().zip(Fault::ALL) {
            if self.faults.has(*fault) {
                let mut chance = Chance::of(self.seed, "rate", &[*fault as u64]);
                // Some seeds have none of a fault, most a little, and a few a lot.
                let most = fault.most_per_10_000();
                *slot = match chance.between(0, 9) {
                    0 => 0,
                    1..=7 => chance.between(most / 10, most / 2),
                    _ => chance.between(most / 2, most),
                };
            }
        }
        Rates { per_10_000 }
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $most:literal;)*) => {
        /// What can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)*];

            /// The name for people and for the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$name => $text,)* }
            }

            /// How often it happens under the worst seed, of 10,000 chances.
            const fn most_per_10_000(self) -> u64 {
                match self { $(Fault::$name => $most,)* }
            }
        }
    };
}

faults! {
    /// A message or an answer takes seconds or minutes.
    Delay = "delay", 700;
    /// A message or an answer is overtaken by later ones.
    Reorder = "reorder", 500;
    /// A message or an answer is lost.
    Drop = "drop", 450;
    /// A message or an answer comes twice.
    Double = "double", 450;
    /// An answer arrives damaged; a damaged request is not read.
    Corrupt = "corrupt", 200;
    /// The link breaks while a message is written.
    LinkBreaks = "link-breaks", 15;
    /// The link breaks, and the host is away for a while; so many times in a run of the usual length of the worst seed.
    HostAway = "host-away", 6;
    /// The issuer says a yes with conditions.
    ConditionalYes = "conditional-yes", 200;
    /// The issuer says that it could not process it now.
    IssuerBusy = "issuer-busy", 300;
    /// A call of the store takes long.
    StoreSlow = "store-slow", 300;
    /// A call of the store fails, and nothing was written; its caller may be left in doubt about that.
    StoreFailsBefore = "store-fails-before", 60;
    /// A call of the store fails, and it was written all the same.
    StoreFailsAfter = "store-fails-after", 60;
    /// The gateway dies before a commit.
    CrashBefore = "crash-before", 8;
    /// The gateway dies after a commit.
    CrashAfter = "crash-after", 8;
    /// The gateway dies at some moment; so many times in a run of the usual length of the worst seed.
    CrashAtRandom = "crash", 4;
    /// A feedback, or the answer to it, takes longer than it should, and often longer than the gateway waits.
    FeedbackSlow = "feedback-slow", 400;
    /// A merchant's server reads a feedback and does not acknowledge it.
    FeedbackRefused = "feedback-refused", 600;
    /// A merchant's server acknowledges a feedback, and the answer is lost.
    FeedbackLost = "feedback-lost", 400;
    /// A merchant's server is away for a while; so many times in a run of the usual length of the worst seed.
    ReceiverAway = "receiver-away", 7;
    /// A gateway stands still for a while, often for longer than its lease, and goes on; so many times in a run of
    /// the usual length of the worst seed.
    Paused = "paused", 5;
}

/// A set of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Everything can go wrong.
    pub const ALL: Faults = Faults((1 << Fault::ALL.len()) - 1);
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults(0);

    /// Whether `fault` may happen.
    #[must_use]
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }

    /// The same set with `fault`.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Faults {
        Faults(self.0 | (1 << fault as u8))
    }

    /// The same set without `fault`.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Faults {
        Faults(self.0 & !(1 << fault as u8))
    }

    /// Reads what [`Faults`] prints: names with commas, `all` or `none`.
    ///
    /// # Errors
    /// The name that is no fault's.
    pub fn parse(text: &str) -> Result<Faults, String> {
        match text {
            "all" => return Ok(Faults::ALL),
            "none" => return Ok(Faults::NONE),
            _ => {}
        }
        text.split(',').try_fold(Faults::NONE, |set, name| {
            let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
            fault.map(|fault| set.with(*fault)).ok_or_else(|| format!("there is no fault {name:?}"))
        })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Faults::ALL {
            return f.write_str("all");
        }
        let names: Vec<_> = Fault::ALL.iter().filter(|fault| self.has(**fault)).map(|fault| fault.name()).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// How often each fault happens, of 10,000 chances.
#[derive(Clone, Debug)]
pub struct Rates {
    per_10_000: [u64; Fault::ALL.len()],
}

impl Rates {
    /// How often `fault` happens.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.per_10_000.get(fault as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_set_of_faults_reads_back() {
        for set in [Faults::ALL, Faults::NONE, Faults::NONE.with(Fault::Drop).with(Fault::CrashAfter)] {
            assert_eq!(Faults::parse(&set.to_string()).unwrap(), set);
        }
        assert!(Faults::parse("drop,rain").unwrap_err().contains("rain"));
        assert!(!Faults::ALL.without(Fault::Drop).has(Fault::Drop));
    }

    #[test]
    fn a_longer_run_is_not_a_calmer_one() {
        let rate = |seed: u64| Plan::of_seed(seed).rates().of(Fault::ReceiverAway);
        let seed = (1..).find(|seed| rate(*seed) > 0).unwrap();
        let of = |count| Plan { sessions: Sessions { first: 0, count }, ..Plan::of_seed(seed) };
        let once = rate(seed);
        let times = [1, SESSIONS_PER_SEED, 10 * SESSIONS_PER_SEED].map(|count| of(count).times(Fault::ReceiverAway));
        // 50 s of sessions and 90 s of storm behind them are the usual length.
        assert_eq!(times, [once, once, once * 590 / 140]);
    }

    #[test]
    fn what_may_not_happen_has_no_rate() {
        let plan = Plan { faults: Faults::NONE.with(Fault::Drop), ..Plan::of_seed(5) };
        let rates = plan.rates();
        assert!(Fault::ALL.iter().filter(|fault| **fault != Fault::Drop).all(|fault| rates.of(*fault) == 0));
    }
}
