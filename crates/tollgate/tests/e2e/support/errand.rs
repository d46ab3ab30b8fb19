//! What merchants do in the tests that kill processes: orders with everything that is done to them, by a
//! merchant that retries as real ones do, and what each was told.

use super::chance::Chance;
use super::{Gateway, Merchant, field, try_post};
use serde_json::{Map, Value};
use tollgate_core::order::OperationKind;

/// On this card the last five digits of the amount decide.
const BY_AMOUNT: &str = "4005559100007709";
const GOOD: &str = "4005550000000001";
/// The last five digits of amounts that meet a fault of the card network: declines, slow, silent, late,
/// doubled, unreadable and wrong answers.
const FAULTS: [u64; 11] = [90_005, 90_051, 90_101, 90_101, 90_102, 90_103, 90_103, 90_104, 90_105, 90_108, 90_109];
/// The same for a link that drops before or after the message is booked. It takes everything with it that
/// is under way, so it comes less often: else nothing would ever wait for its time limit.
const DROPS: [u64; 2] = [90_106, 90_107];
/// What is paid, as a rule.
const PAID_MINOR: u64 = 400_000;
/// What is paid when it is to meet a fault, without the fault's digits.
const PAID_WITH_FAULT_MINOR: u64 = 300_000;

/// One request.
#[derive(Clone, Debug)]
pub enum Step {
    /// AUTHORIZATION or PURCHASE.
    Pay(OperationKind, u64),
    /// CAPTURE, REFUND or VOID_AUTHORIZATION.
    Later(OperationKind, u64),
    /// CHECK_STATUS.
    Status,
}

/// One order of a merchant, from the first request to the last.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Its merchant reference.
    pub reference: String,
    /// What the merchant was told of its operations.
    pub told: Vec<Told>,
    /// How often the connection broke before an answer came.
    pub broken: u32,
    card: &'static str,
    steps: Vec<Step>,
    next: usize,
    /// The code that CHECK_STATUS has to tell, if the merchant knows it.
    promised: Option<String>,
}

/// A definite answer to one request.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// What was asked for.
    pub kind: OperationKind,
    /// Whether it was done.
    pub done: bool,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// An answer.
    Answer,
    /// A refusal for the time being: the link is down, or something of the order is not settled yet.
    NotNow,
    /// Nothing: the connection broke. The same request is sent again when somebody answers.
    Nothing,
}

impl Errand {
    /// A drawn one.
    pub fn draw(reference: String, chance: &mut Chance) -> Errand {
        use OperationKind::{Authorize, Capture, Purchase, Refund, Void};
        let is_held = chance.happens(1, 2);
        let later = match (is_held, chance.below(5)) {
            (true, 0) => vec![Void],
            // Only one of them can be done.
            (true, 1) => vec![Void, Capture],
            (true, 2) => vec![Capture, Refund, Capture],
            (true, _) => vec![Capture, Capture, Capture],
            (false, 0) => vec![],
            (false, 1) => vec![Refund],
            (false, _) => vec![Refund, Refund],
        };
        let fault = |chance: &mut Chance| {
            let drops = chance.happens(1, 20);
            if drops { chance.one_of(&DROPS) } else { chance.one_of(&FAULTS) }
        };
        let paid = if chance.happens(1, 4) { PAID_WITH_FAULT_MINOR + fault(chance) } else { PAID_MINOR };
        let mut steps = vec![Step::Pay(if is_held { Authorize } else { Purchase }, paid)];
        for kind in later {
            if chance.happens(1, 3) {
                steps.push(Step::Status);
            }
            let part = if chance.happens(1, 3) { fault(chance) } else { 1_000 + chance.below(80_000) };
            steps.push(Step::Later(kind, part));
        }
        steps.push(Step::Status);
        let card = chance.one_of(&[GOOD, BY_AMOUNT, BY_AMOUNT]);
        Errand { reference, told: Vec::new(), broken: 0, card, steps, next: 0, promised: None }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.next >= self.steps.len()
    }

    /// Sends the next request and takes the answer.
    pub fn go_on(&mut self, gateway: &Gateway, merchant: &Merchant) -> Came {
        let Some(step) = self.steps.get(self.next).cloned() else { return Came::Answer };
        let Some(answer) = self.ask(gateway, merchant, &step) else { return self.broke() };
        match field(&answer, "response_code") {
            "00006" | "00784" => return Came::NotNow,
            // Either the payment is not settled yet, or it came to nothing.
            "00662" => {
                let Some(told) = self.ask(gateway, merchant, &Step::Status) else { return self.broke() };
                if field(&told, "transaction_code") == "15777" {
                    return Came::NotNow;
                }
            }
            _ => self.take(&step, &answer),
        }
        self.next += 1;
        Came::Answer
    }

    fn broke(&mut self) -> Came {
        // Whatever was known before may have changed since.
        self.promised = None;
        self.broken += 1;
        Came::Nothing
    }

    /// What CHECK_STATUS tells in the end has to be what the merchant was told last.
    pub fn assert_kept(&self, told: &Map<String, Value>) {
        if let Some(promised) = &self.promised {
            assert_eq!(field(told, "transaction_code"), promised, "{}: an answer stays true: {told:?}", self.reference);
        }
    }

    fn take(&mut self, step: &Step, answer: &Map<String, Value>) {
        let code = field(answer, "response_code");
        let kind = match step {
            Step::Status => {
                let code = field(answer, "transaction_code");
                if code != "15777" {
                    self.assert_kept(answer);
                    self.promised = Some(code.to_owned()).filter(|code| !code.is_empty());
                }
                return;
            }
            Step::Pay(kind, _) | Step::Later(kind, _) => *kind,
        };
        match code {
            "15777" => self.promised = None,
            refused if refused.starts_with("00") => {}
            _ => {
                self.promised = Some(code.to_owned());
                self.told.push(Told { kind, done: code.ends_with("000") });
            }
        }
    }

    /// One request over a connection of its own; `None` when the gateway was gone before it answered.
    fn ask(&self, gateway: &Gateway, merchant: &Merchant, step: &Step) -> Option<Map<String, Value>> {
        let params = self.params(step);
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = try_post(&gateway.address, "/FortAPI/paymentApi", &merchant.sign(&params), "application/json")?;
        let answer: Map<String, Value> = serde_json::from_slice(&body).ok()?;
        merchant.check(&answer);
        Some(answer)
    }

    fn params(&self, step: &Step) -> Vec<(&'static str, String)> {
        let reference = ("merchant_reference", self.reference.clone());
        let money = |minor: u64| [("amount", minor.to_string()), ("currency", "AED".to_owned())];
        match step {
            Step::Status => vec![("query_command", "CHECK_STATUS".to_owned()), reference],
            Step::Later(kind, minor) => {
                let mut params = vec![("command", kind.command().to_owned()), reference];
                if *kind != OperationKind::Void {
                    params.extend(money(*minor));
                }
                if *kind == OperationKind::Refund {
                    // A retried refund is the same one, and is done once.
                    params.push(("maintenance_reference", format!("{}-{}", self.reference, self.next)));
                }
                params
            }
            Step::Pay(kind, minor) => {
                let mut params = vec![
                    ("command", kind.command().to_owned()),
                    reference,
                    ("customer_email", "jo@example.org".to_owned()),
                    ("card_number", self.card.to_owned()),
                    ("expiry_date", "4005".to_owned()),
                    ("card_security_code", "123".to_owned()),
                    ("check_3ds", "NO".to_owned()),
                ];
                params.extend(money(*minor));
                params
            }
        }
    }
}
