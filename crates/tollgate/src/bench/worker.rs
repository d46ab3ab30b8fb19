//! One connection: request, answer, judgement, and again.

use super::load::Shared;
use super::script::{Cart, Door, Mix, Step};
use super::tally::{Payment, Tally};
use super::wire::Wire;
use std::time::{Duration, Instant};
use tollgate_core::ident::FortId;
use tollgate_fort::message::Message;

/// One answer in so many has its signature checked, to leave the processors to the gateway.
pub const SIGNATURE_EVERY: u64 = 16;
/// How long an answer may take, in milliseconds.
const ANSWER_MS_MAX: u64 = 60_000;
/// The pause before a connection is tried again, in milliseconds.
const CONNECT_PAUSE_MS: u64 = 20;
/// After so many breaks one after the other a connection is given up.
const BREAKS_MAX: u32 = 100;

/// Drives one connection until its load ends; gives what it saw.
pub async fn drive(shared: &Shared, number: u64) -> Tally {
    let tally = Tally::new(shared.script.currencies.len());
    let mut worker = Worker { shared, tally, connection: None, breaks: 0, random: Random::new(number) };
    while worker.breaks < BREAKS_MAX
        && let Some(turn) = shared.next_turn().await
    {
        worker.take(turn).await;
    }
    worker.tally
}

/// One order to make, or to ask for.
pub struct Turn {
    /// When it ought to begin, where a rate says so.
    pub intended: Option<Instant>,
}

struct Worker<'a> {
    shared: &'a Shared,
    tally: Tally,
    connection: Option<Wire>,
    breaks: u32,
    random: Random,
}

/// What became of a step.
#[derive(PartialEq, Eq)]
enum Went {
    Well,
    Wrong,
}

impl Worker<'_> {
    async fn take(&mut self, turn: Turn) {
        let shared = self.shared;
        let number = match shared.mix {
            Mix::Status | Mix::Token => shared.known.start + self.random.below(shared.known.end - shared.known.start),
            Mix::Purchase | Mix::Cycle | Mix::Tokenize | Mix::Named => shared.carts.next(),
        };
        let cart = shared.carts.cart(number);
        let mut intended = turn.intended;
        for step in shared.mix.steps() {
            // Only the first request of an order has a moment at which it ought to begin.
            if self.step(*step, &cart, intended.take()).await == Went::Wrong {
                return;
            }
        }
    }

    async fn step(&mut self, step: Step, cart: &Cart, intended: Option<Instant>) -> Went {
        let shared = self.shared;
        let body = shared.script.request(step, cart);
        let begun = intended.unwrap_or_else(Instant::now);
        let answered = self.exchange(step.door(), &body).await;
        let ended = Instant::now();
        let latency = ended.saturating_duration_since(begun);
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => {
                self.tally.error(format!("{}: {error:#}", step.name()));
                self.connection = None;
                self.breaks += 1;
                tokio::time::sleep(Duration::from_millis(CONNECT_PAUSE_MS)).await;
                return Went::Wrong;
            }
        };
        self.breaks = 0;
        shared.note_answer();
        let counts = shared.counts(intended, ended);
        if counts {
            self.tally.latency(step, latency);
        }
        let went = self.judge(step, &answer);
        if went == Went::Well {
            self.tally.book(step, cart);
            if counts && shared.keep_payments && step == Step::Purchase {
                self.keep(&answer, latency);
            }
        }
        went
    }

    /// Posts over the open connection, or over a new one.
    async fn exchange(&mut self, door: Door, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Wire::open(&self.shared.target).await?,
        };
        self.tally.sent += 1;
        let answer = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), connection.post(door, body)).await;
        let answer = answer.map_err(|_| anyhow::anyhow!("no answer in {ANSWER_MS_MAX} ms"))??.to_vec();
        self.connection = Some(connection);
        Ok(answer)
    }

    fn judge(&mut self, step: Step, answer: &[u8]) -> Went {
        let field = |name| match step.door() {
            Door::Api => text_field(answer, name),
            Door::Page => form_field(answer, name),
        };
        let code = field("response_code").unwrap_or("none");
        self.tally.code(code);
        let mut went = Went::Well;
        if self.shared.codes_expected.get(step.place()).is_none_or(|expected| expected != code) {
            let words = field("response_message").unwrap_or_default();
            self.tally.error(format!("{}: {code} {words}", step.name()));
            went = Went::Wrong;
        }
        if self.tally.sent % SIGNATURE_EVERY == 1 {
            self.tally.signatures_checked += 1;
            let message = match step.door() {
                Door::Api => Message::from_json(answer).ok(),
                Door::Page => Message::from_form(&posted_form(answer)).ok(),
            };
            if !message.is_some_and(|message| self.shared.script.signer.answer_is_right(&message)) {
                self.tally.error(format!("{}: the answer's signature is wrong", step.name()));
            }
        }
        went
    }

    fn keep(&mut self, answer: &[u8], latency: Duration) {
        match text_field(answer, "fort_id").and_then(FortId::parse) {
            Some(fort_id) => self.tally.payment(Payment { fort_id: fort_id.0, latency }),
            None => self.tally.error("purchase: the answer has no fort_id".to_owned()),
        }
    }
}

/// The text of a field in a flat JSON object of texts. It looks for the name instead of reading the whole: good enough
/// for names and values without escapes, and a tenth of the work. The sampled answers are read in full.
fn text_field<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let body = std::str::from_utf8(body).ok()?;
    let mut rest = body;
    loop {
        let at = rest.find(name)?;
        let before = rest.get(..at)?;
        rest = rest.get(at + name.len()..)?;
        if before.ends_with('"')
            && let Some(value) = rest.strip_prefix("\":\"")
        {
            return value.split('"').next();
        }
    }
}

/// The value of a hidden field in a page's form, which names it and then gives it. Good enough for values without
/// entities.
fn form_field<'a>(page: &'a [u8], name: &str) -> Option<&'a str> {
    hidden_fields(page).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// What the browser would post: the hidden fields of the page's form, URL-encoded.
fn posted_form(page: &[u8]) -> Vec<u8> {
    let plain = |value: &str| {
        let named = value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">");
        named.replace("&amp;", "&")
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(hidden_fields(page).map(|(name, value)| (name, plain(value))));
    form.finish().into_bytes()
}

fn hidden_fields(page: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let page = std::str::from_utf8(page).unwrap_or_default();
    page.split("<input type=\"hidden\" name=\"").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("\" value=\"")?;
        Some((name, rest.split('"').next()?))
    })
}

/// A small generator of numbers (xorshift64*): which order is asked for next is no secret.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16).checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let body = br#"{"acquirer_response_code":"00","x":"response_code","response_code":"14000","fort_id":"1"}"#;
        assert_eq!(text_field(body, "response_code"), Some("14000"));
        assert_eq!(text_field(body, "fort_id"), Some("1"));
        assert_eq!(text_field(body, "status"), None);
        assert_eq!(text_field(b"\xff", "status"), None);
    }

    #[test]
    fn a_page_gives_the_fields_that_its_browser_would_post() {
        let page = br#"<form><input type="hidden" name="a" value="1 &amp; &lt;2&gt;"><input type="hidden" name="b" value=""></form>"#;
        assert_eq!((form_field(page, "b"), form_field(page, "c")), (Some(""), None));
        assert_eq!(posted_form(page), b"a=1+%26+%3C2%3E&b=");
    }

    #[test]
    fn random_numbers_stay_below_their_end_and_reach_all_of_it() {
        let mut random = Random::new(0);
        let mut seen = [0_u32; 10];
        for _ in 0..1_000 {
            let number = usize::try_from(random.below(10)).unwrap_or(usize::MAX);
            seen[number] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }
}
