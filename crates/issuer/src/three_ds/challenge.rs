//! One challenge: a customer, a code, and how it ends. Pure: the moment and the step are passed in.

use super::texts::Language;
use tollgate_core::bin::Brand;
use tollgate_core::three_ds::{AuthenticationStatus, AuthenticationValue};
use tollgate_core::time::Timestamp;

/// A customer who does nothing for so long is not authenticated any more, in milliseconds on the sandbox's clock.
pub(crate) const IDLE_MS_MAX: u64 = 10 * 60 * 1_000;
/// The digits of a code.
pub(crate) const CODE_DIGITS: usize = 6;
/// So many wrong codes end it.
const WRONG_CODES_MAX: u8 = 3;
/// A code is sent again so many times.
const RESENDS_MAX: u8 = 3;
/// So many steps of any kind end it; `interactionCounter` has two digits.
const INTERACTIONS_MAX: u8 = 30;

/// What a challenge is about. The card is in it as its last digits only.
#[derive(Clone, Debug)]
pub(crate) struct ChallengeFacts {
    pub(crate) brand: Brand,
    /// The last four digits of the card number.
    pub(crate) card_tail: String,
    pub(crate) merchant_name: String,
    /// What is to be paid; `None` where nothing is.
    pub(crate) price: Option<Price>,
    /// The day of the payment, `YYYYMMDD…` as it came.
    pub(crate) date: Option<String>,
    /// Six digits.
    pub(crate) code: String,
}

/// An amount as a page shows it.
#[derive(Clone, Debug)]
pub(crate) struct Price {
    /// Minor units, digits only.
    pub(crate) minor: String,
    /// How many of them are decimals.
    pub(crate) exponent: usize,
    /// ISO 4217, three letters.
    pub(crate) currency: &'static str,
}

/// Who wins, whatever is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The right code does.
    ByCode,
    /// Nobody: it ends in N.
    Never,
}

/// What the customer, or the clock, does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A code was typed, as it was typed.
    Code(String),
    /// He gives up.
    Cancel,
    /// He wants the code again.
    Resend,
    /// He wants another language.
    Speak(Language),
}

/// How a challenge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Authenticated or not.
    pub(crate) status: AuthenticationStatus,
    /// Why not: `transStatusReason`.
    pub(crate) reason: Option<&'static str>,
    /// Who gave up: `challengeCancel`.
    pub(crate) cancel: Option<&'static str>,
}

impl Ending {
    const PASSED: Ending = Ending { status: AuthenticationStatus::Authenticated, reason: None, cancel: None };
    /// 01: the authentication failed.
    pub(crate) const FAILED: Ending = Ending::not("01");
    /// 19: more tries than the ACS allows.
    const TOO_OFTEN: Ending = Ending::not("19");
    /// 01 of `challengeCancel`: the customer.
    const CANCELLED: Ending = Ending { cancel: Some("01"), ..Ending::FAILED };

    const fn not(reason: &'static str) -> Ending {
        Ending { status: AuthenticationStatus::NotAuthenticated, reason: Some(reason), cancel: None }
    }
}

/// What the page has to say besides the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Nothing.
    None,
    /// The code is wrong, and so many tries are left.
    Wrong {
        /// At least 1.
        tries_left: u8,
    },
    /// What was typed has not six digits; it counts as no try.
    NoCode,
    /// The code was sent again.
    SentAgain,
    /// It is not sent once more.
    NotSentAgain,
}

/// What follows from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The page is shown again.
    Ask(Notice),
    /// It ended by this step.
    Ended(Ending),
    /// It had ended before.
    Over(Ending),
}

/// A challenge.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) facts: ChallengeFacts,
    pub(crate) language: Language,
    /// What proves the authentication to the host, when there is one.
    pub(crate) value: Option<AuthenticationValue>,
    verdict: Verdict,
    begun: Begun,
    idle_since: Timestamp,
    wrong_codes: u8,
    resends: u8,
    interactions: u8,
    ending: Option<Ending>,
}

/// Whether the customer's browser has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

impl Challenge {
    /// A challenge that is offered at this moment.
    pub(crate) fn new(
        facts: ChallengeFacts,
        verdict: Verdict,
        language: Language,
        value: Option<AuthenticationValue>,
        now: Timestamp,
    ) -> Challenge {
        Challenge {
            facts,
            language,
            value,
            verdict,
            begun: Begun::No,
            idle_since: now,
            wrong_codes: 0,
            resends: 0,
            interactions: 0,
            ending: None,
        }
    }

    /// How it ended, if it did.
    pub(crate) const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// How often the customer did something: `interactionCounter`.
    pub(crate) const fn interactions(&self) -> u8 {
        self.interactions
    }

    /// The browser brings the CReq. It may do so again: the page is then shown again.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Next {
        if let Some(over) = self.over(now) {
            return over;
        }
        if self.begun == Begun::No {
            self.begun = Begun::Yes;
            self.idle_since = now;
        }
        Next::Ask(Notice::None)
    }

    /// The customer does something.
    pub(crate) fn step(&mut self, step: Step, now: Timestamp) -> Next {
        if let Some(over) = self.over(now) {
            return over;
        }
        if let Step::Speak(language) = step {
            self.language = language;
            return Next::Ask(Notice::None);
        }
        self.idle_since = now;
        self.interactions = self.interactions.saturating_add(1);
        let next = match step {
            Step::Cancel => Next::Ended(Ending::CANCELLED),
            Step::Code(typed) => self.judge(&typed),
            Step::Resend if self.resends >= RESENDS_MAX => Next::Ask(Notice::NotSentAgain),
            Step::Resend => {
                self.resends += 1;
                Next::Ask(Notice::SentAgain)
            }
            Step::Speak(_) => Next::Ask(Notice::None),
        };
        let next = match next {
            Next::Ask(_) if self.interactions >= INTERACTIONS_MAX => Next::Ended(Ending::TOO_OFTEN),
            next => next,
        };
        if let Next::Ended(ending) = next {
            self.ending = Some(ending);
        }
        next
    }

    /// Ends it when the customer was idle for too long; answers how it ended by that.
    pub(crate) fn time_out(&mut self, now: Timestamp) -> Option<Ending> {
        let is_late = now.since_ms(self.idle_since) >= IDLE_MS_MAX;
        (self.ending.is_none() && is_late).then(|| self.give_up())
    }

    /// Ends it as if its time were over.
    pub(crate) fn give_up(&mut self) -> Ending {
        // `challengeCancel`: 05 when the first CReq never came, 04 for any other time-out at the ACS.
        let cancel = if self.begun == Begun::No { "05" } else { "04" };
        let ending = Ending { cancel: Some(cancel), ..Ending::not("14") };
        self.ending = Some(ending);
        ending
    }

    fn over(&mut self, now: Timestamp) -> Option<Next> {
        if let Some(ending) = self.ending {
            return Some(Next::Over(ending));
        }
        self.time_out(now).map(Next::Ended)
    }

    fn judge(&mut self, typed: &str) -> Next {
        let Some(code) = read_code(typed) else { return Next::Ask(Notice::NoCode) };
        if self.verdict == Verdict::Never {
            return Next::Ended(Ending::FAILED);
        }
        if code == self.facts.code {
            return Next::Ended(Ending::PASSED);
        }
        self.wrong_codes += 1;
        match WRONG_CODES_MAX.saturating_sub(self.wrong_codes) {
            0 => Next::Ended(Ending::TOO_OFTEN),
            tries_left => Next::Ask(Notice::Wrong { tries_left }),
        }
    }
}

/// The code that was typed: Western, Arabic-Indic or Persian digits, with blanks or marks of direction between.
fn read_code(typed: &str) -> Option<String> {
    let mut code = String::with_capacity(CODE_DIGITS);
    for character in typed.chars() {
        let digit = match character {
            '0'..='9' => u32::from(character) - u32::from('0'),
            '\u{660}'..='\u{669}' => u32::from(character) - 0x660,
            '\u{6F0}'..='\u{6F9}' => u32::from(character) - 0x6F0,
            '-' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => continue,
            blank if blank.is_whitespace() => continue,
            _ => return None,
        };
        if code.len() == CODE_DIGITS {
            return None;
        }
        code.extend(char::from_digit(digit, 10));
    }
    (code.len() == CODE_DIGITS).then_some(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn challenge(verdict: Verdict) -> Challenge {
        let facts = ChallengeFacts {
            brand: Brand::Visa,
            card_tail: "8902".into(),
            merchant_name: "A shop".into(),
            price: None,
            date: None,
            code: "123456".into(),
        };
        Challenge::new(facts, verdict, Language::English, None, NOW)
    }

    fn code(text: &str) -> Step {
        Step::Code(text.to_owned())
    }

    #[test]
    fn the_right_code_passes_however_it_is_typed() {
        for typed in ["123456", " 123 456 ", "123-456", "١٢٣٤٥٦", "۱۲۳۴۵۶", "\u{200F}123456\u{200E}"] {
            let mut challenge = challenge(Verdict::ByCode);
            assert_eq!(challenge.begin(NOW), Next::Ask(Notice::None));
            assert_eq!(challenge.step(code(typed), NOW), Next::Ended(Ending::PASSED), "{typed}");
            assert_eq!(challenge.interactions(), 1);
            assert_eq!(
                challenge.step(code("000000"), NOW),
                Next::Over(Ending::PASSED),
                "a second submit changes nothing"
            );
        }
    }

    #[test]
    fn three_wrong_codes_end_it_and_what_is_no_code_is_no_try() {
        let mut challenge = challenge(Verdict::ByCode);
        challenge.begin(NOW);
        for typed in ["", "12345", "1234567", "12345x", "<script>"] {
            assert_eq!(challenge.step(code(typed), NOW), Next::Ask(Notice::NoCode), "{typed}");
        }
        assert_eq!(challenge.step(code("000000"), NOW), Next::Ask(Notice::Wrong { tries_left: 2 }));
        assert_eq!(challenge.step(code("000000"), NOW), Next::Ask(Notice::Wrong { tries_left: 1 }));
        let ended = challenge.step(code("000000"), NOW);
        assert_eq!(ended, Next::Ended(Ending::not("19")));
        assert_eq!(challenge.interactions(), 8);
        assert_eq!(challenge.step(code("123456"), NOW), Next::Over(Ending::not("19")), "too late for the right one");
    }

    #[test]
    fn the_right_code_helps_nobody_on_a_card_that_fails() {
        let mut challenge = challenge(Verdict::Never);
        assert_eq!(challenge.step(code("123456"), NOW), Next::Ended(Ending::FAILED));
    }

    #[test]
    fn a_cancel_is_named_as_the_customers() {
        let mut challenge = challenge(Verdict::ByCode);
        let Next::Ended(ending) = challenge.step(Step::Cancel, NOW) else { unreachable!() };
        assert_eq!((ending.status, ending.cancel), (AuthenticationStatus::NotAuthenticated, Some("01")));
    }

    #[test]
    fn ten_idle_minutes_end_it_and_a_step_begins_them_anew() {
        let later = |ms| NOW.plus_ms(ms);
        let mut challenge = challenge(Verdict::ByCode);
        assert_eq!(challenge.time_out(later(IDLE_MS_MAX - 1)), None);
        challenge.begin(later(IDLE_MS_MAX - 1));
        challenge.step(Step::Resend, later(2 * IDLE_MS_MAX - 2));
        challenge.step(Step::Speak(Language::Arabic), later(3 * IDLE_MS_MAX - 3));
        let ended = challenge.step(code("123456"), later(3 * IDLE_MS_MAX - 2));
        let Next::Ended(ending) = ended else { unreachable!() };
        assert_eq!((ending.reason, ending.cancel), (Some("14"), Some("04")), "another language is no answer");
    }

    #[test]
    fn a_browser_that_never_came_is_told_apart() {
        let ending = challenge(Verdict::ByCode).time_out(NOW.plus_ms(IDLE_MS_MAX)).unwrap();
        assert_eq!((ending.reason, ending.cancel), (Some("14"), Some("05")));
    }

    #[test]
    fn resends_and_steps_have_a_limit() {
        let mut challenge = challenge(Verdict::ByCode);
        for _ in 0..RESENDS_MAX {
            assert_eq!(challenge.step(Step::Resend, NOW), Next::Ask(Notice::SentAgain));
        }
        for _ in RESENDS_MAX..INTERACTIONS_MAX - 1 {
            assert_eq!(challenge.step(Step::Resend, NOW), Next::Ask(Notice::NotSentAgain));
        }
        assert_eq!(challenge.step(Step::Resend, NOW), Next::Ended(Ending::not("19")));
    }
}
