//! What is asked of the gateway: the steps of each mix, their requests, and what they ought to come to.

use super::signer::Signer;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use tollgate_core::code::{STATUS_FOUND, TOKEN_CREATED, TOKENS_LISTED, message};
use tollgate_core::order::OperationKind;
use tollgate_store_sqlite::ceiling::reference;

/// Which requests make up one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// PURCHASE
    Purchase,
    /// AUTHORIZATION, CAPTURE of a part, CAPTURE of the rest, REFUND of a part, CHECK_STATUS
    Cycle,
    /// CHECK_STATUS of orders that were made before
    Status,
    /// CREATE_TOKEN: a form with a new card, answered by a token
    Tokenize,
    /// GET_TOKENS of a token that was made before, by its name
    Token,
    /// CREATE_TOKEN with a name of the merchant's own
    Named,
}

impl Mix {
    /// The requests of one order, in their order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Mix::Purchase => &[Step::Purchase],
            Mix::Cycle => &[Step::Authorization, Step::CapturePart, Step::CaptureRest, Step::Refund, Step::CheckStatus],
            Mix::Status => &[Step::CheckStatus],
            Mix::Tokenize => &[Step::CreateToken],
            Mix::Token => &[Step::LookUpToken],
            Mix::Named => &[Step::NameToken],
        }
    }

    /// Its name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Mix::Purchase => "purchase",
            Mix::Cycle => "cycle",
            Mix::Status => "status",
            Mix::Tokenize => "tokenize",
            Mix::Token => "token",
            Mix::Named => "named",
        }
    }
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// PURCHASE of the whole amount.
    Purchase,
    /// AUTHORIZATION of the whole amount.
    Authorization,
    /// CAPTURE of a part.
    CapturePart,
    /// CAPTURE of what is left.
    CaptureRest,
    /// REFUND of a part.
    Refund,
    /// CHECK_STATUS.
    CheckStatus,
    /// CREATE_TOKEN, by a form; the gateway makes the name.
    CreateToken,
    /// The same with a name of the merchant's own.
    NameToken,
    /// GET_TOKENS of one name.
    LookUpToken,
}

/// How a request comes and its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// JSON to paymentApi, and JSON back.
    Api,
    /// A form to paymentPage, and a page with a form for the browser to post back.
    Page,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 9] = [
        Step::Purchase,
        Step::Authorization,
        Step::CapturePart,
        Step::CaptureRest,
        Step::Refund,
        Step::CheckStatus,
        Step::CreateToken,
        Step::NameToken,
        Step::LookUpToken,
    ];

    /// The name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Step::Purchase => "purchase",
            Step::Authorization => "authorization",
            Step::CapturePart => "capture_part",
            Step::CaptureRest => "capture_rest",
            Step::Refund => "refund",
            Step::CheckStatus => "check_status",
            Step::CreateToken => "create_token",
            Step::NameToken => "name_token",
            Step::LookUpToken => "look_up_token",
        }
    }

    /// By which way it goes.
    pub fn door(self) -> Door {
        if matches!(self, Step::CreateToken | Step::NameToken) { Door::Page } else { Door::Api }
    }

    /// Its place in [`Step::ALL`].
    pub fn place(self) -> usize {
        Step::ALL.iter().position(|step| *step == self).unwrap_or_default()
    }

    /// The response code that says that all is well (FORT: status, then 000).
    pub fn code_expected(self) -> String {
        let kind = match self {
            Step::Purchase => OperationKind::Purchase,
            Step::Authorization => OperationKind::Authorize,
            Step::CapturePart | Step::CaptureRest => OperationKind::Capture,
            Step::Refund => OperationKind::Refund,
            Step::CheckStatus => return STATUS_FOUND.to_string(),
            Step::CreateToken | Step::NameToken => return TOKEN_CREATED.to_string(),
            Step::LookUpToken => return TOKENS_LISTED.to_string(),
        };
        kind.code(message::SUCCESS).to_string()
    }

    fn command(self) -> &'static str {
        match self {
            Step::Purchase => "PURCHASE",
            Step::Authorization => "AUTHORIZATION",
            Step::CapturePart | Step::CaptureRest => "CAPTURE",
            Step::Refund => "REFUND",
            Step::CheckStatus => "CHECK_STATUS",
            Step::CreateToken | Step::NameToken => "CREATE_TOKEN",
            Step::LookUpToken => "GET_TOKENS",
        }
    }

    /// The parameter that names the command.
    fn key(self) -> &'static str {
        match self {
            Step::CheckStatus | Step::LookUpToken => "query_command",
            Step::CreateToken | Step::NameToken => "service_command",
            _ => "command",
        }
    }
}

/// The published test card that the sandbox approves.
pub const CARD: &str = "4005550000000001";

/// Where the browser would go with a token; nobody goes there.
const RETURN_URL: &str = "https://shop.example/return?order=1";

/// What money is asked for one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// The merchant reference.
    pub reference: String,
    /// The place of its currency among those of the run.
    pub currency: usize,
    /// The whole amount, minor units.
    pub amount: u64,
    /// The card that a token is made of.
    pub card: String,
}

impl Cart {
    /// The amount of a step, minor units; `None` where the request has none.
    pub fn amount_of(&self, step: Step) -> Option<u64> {
        let part = self.amount / 3;
        match step {
            Step::Purchase | Step::Authorization => Some(self.amount),
            Step::CapturePart => Some(part),
            Step::CaptureRest => Some(self.amount - part),
            Step::Refund => Some(self.amount / 4),
            Step::CheckStatus | Step::CreateToken | Step::NameToken | Step::LookUpToken => None,
        }
    }

    /// The name of the token of this number.
    pub fn token_name(&self) -> String {
        format!("{}-T", self.reference)
    }
}

/// A card number of its own for each number below a thousand million: a Visa range that no bank issues from here, and
/// the right check digit.
pub fn card_number(number: u64) -> String {
    let digits = format!("400555{:09}", number % 1_000_000_000);
    // From the right, every second digit counts double (ISO/IEC 7812-1).
    let sum: u32 = digits
        .bytes()
        .rev()
        .zip([true, false].into_iter().cycle())
        .map(|(digit, doubled)| {
            let digit = u32::from(digit - b'0') * if doubled { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Makes carts with references that occur once.
#[derive(Debug)]
pub struct Carts {
    /// Where this run's numbers begin: drawn at random, so that two runs on one gateway do not meet.
    first: u64,
    next: AtomicU64,
    currencies: usize,
}

/// The smallest amount, minor units: each part of it is above zero.
const AMOUNT_MIN: u64 = 10;
/// How many amounts there are. Small ones, so that the sandbox card's limit outlasts the run.
const AMOUNTS: u64 = 90;

impl Carts {
    /// Carts in that many currencies, numbered from the half of `seed`, so that the numbers never run out.
    pub fn new(seed: u64, currencies: usize) -> Carts {
        Carts { first: seed / 2, next: AtomicU64::new(0), currencies: currencies.max(1) }
    }

    /// The number of a cart that nobody had.
    pub fn next(&self) -> u64 {
        self.take(1).start
    }

    /// The numbers of so many carts that nobody had.
    pub fn take(&self, count: u64) -> Range<u64> {
        let begin = self.next.fetch_add(count, Ordering::Relaxed);
        begin..begin + count
    }

    /// The cart of a number: always the same. Its reference is in no order, as those of merchants are.
    pub fn cart(&self, number: u64) -> Cart {
        let currencies = u64::try_from(self.currencies).unwrap_or(1);
        Cart {
            reference: with_letter(&reference(self.first.wrapping_add(number))),
            currency: usize::try_from(number % currencies).unwrap_or(0),
            amount: AMOUNT_MIN + number % AMOUNTS,
            card: card_number(number),
        }
    }
}

/// Sixteen hex digits may look like a card number, and a gateway refuses a card number wherever it does not belong.
fn with_letter(reference: &str) -> String {
    let (front, back) = reference.split_at_checked(reference.len() / 2).unwrap_or((reference, ""));
    format!("{front}x{back}")
}

/// What all requests of a run have in common.
#[derive(Debug)]
pub struct Script {
    /// Who signs.
    pub signer: Signer,
    /// The currencies, by their alphabetic codes.
    pub currencies: Vec<String>,
    /// YYMM.
    expiry: String,
}

impl Script {
    /// Requests in these currencies, with a card that is valid for some years after `year`.
    pub fn new(signer: Signer, currencies: Vec<String>, year: i32) -> Script {
        let expiry = format!("{:02}05", (year + 3).rem_euclid(100));
        Script { signer, currencies, expiry }
    }

    /// The signed body of one step.
    pub fn request(&self, step: Step, cart: &Cart) -> Vec<u8> {
        let amount = cart.amount_of(step).map(|amount| amount.to_string()).unwrap_or_default();
        let maintenance = format!("{}-R", cart.reference);
        let token_name = cart.token_name();
        let mut params = vec![
            (step.key(), step.command()),
            ("access_code", self.signer.access_code.as_str()),
            ("merchant_identifier", self.signer.merchant_identifier.as_str()),
            ("language", "en"),
        ];
        if step != Step::LookUpToken {
            params.push(("merchant_reference", cart.reference.as_str()));
        }
        if !amount.is_empty() {
            let currency = self.currencies.get(cart.currency).map_or("", String::as_str);
            params.extend([("amount", amount.as_str()), ("currency", currency)]);
        }
        match step {
            Step::Purchase | Step::Authorization => params.extend([
                ("customer_email", "layla@example.com"),
                ("customer_ip", "192.0.2.17"),
                ("order_description", "Two books and a lamp"),
                ("card_number", CARD),
                ("expiry_date", self.expiry.as_str()),
                ("card_security_code", "123"),
                ("card_holder_name", "Layla Haddad"),
                ("check_3ds", "NO"),
            ]),
            Step::Refund => params.push(("maintenance_reference", maintenance.as_str())),
            Step::CreateToken | Step::NameToken => params.extend([
                ("return_url", RETURN_URL),
                ("card_number", cart.card.as_str()),
                ("expiry_date", self.expiry.as_str()),
                ("card_holder_name", "Layla Haddad"),
            ]),
            Step::LookUpToken => {}
            Step::CapturePart | Step::CaptureRest | Step::CheckStatus => {}
        }
        if matches!(step, Step::NameToken | Step::LookUpToken) {
            params.push(("token_name", token_name.as_str()));
        }
        match step.door() {
            Door::Api => self.signer.sign_request(&params),
            Door::Page => self.signer.sign_form(&params),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_fort::command::Request;
    use tollgate_fort::message::Message;
    use tollgate_fort::service::Service;

    #[test]
    fn every_request_is_one_that_the_gateway_takes() {
        let script = Script::new(Signer::sample(), vec!["AED".into(), "KWD".into()], 2026);
        let carts = Carts::new(7, 2);
        for step in Step::ALL {
            let body = script.request(step, &carts.cart(11));
            let message = match step.door() {
                Door::Api => Message::from_json(&body).unwrap(),
                Door::Page => Message::from_form(&body).unwrap(),
            };
            assert!(step.door() == Door::Page || script.signer.request_is_right(&message), "{step:?}");
            assert!(Request::parse(Service::of(&message).unwrap(), &message).is_ok(), "{step:?}");
        }
    }

    #[test]
    fn every_number_has_a_card_of_its_own_that_passes_the_check_digit() {
        let cards: std::collections::HashSet<_> = (0..1_000).map(card_number).collect();
        assert_eq!(cards.len(), 1_000);
        for card in cards {
            assert!(tollgate_core::card::luhn(&card), "{card}");
        }
    }

    #[test]
    fn the_captures_of_a_cart_are_its_whole_amount_and_every_part_is_above_zero() {
        let carts = Carts::new(0, 3);
        for number in 0..2 * AMOUNTS {
            let cart = carts.cart(number);
            let amount = |step| cart.amount_of(step).unwrap();
            assert_eq!(amount(Step::CapturePart) + amount(Step::CaptureRest), amount(Step::Authorization));
            assert!(amount(Step::Refund) > 0 && amount(Step::CapturePart) > 0);
            assert!(amount(Step::Refund) <= amount(Step::CapturePart) + amount(Step::CaptureRest));
        }
    }

    #[test]
    fn references_occur_once_and_codes_are_forts() {
        let carts = Carts::new(u64::MAX, 1);
        let references: std::collections::HashSet<_> = (0..1_000).map(|number| carts.cart(number).reference).collect();
        assert_eq!(references.len(), 1_000);
        let digits = |text: &str| text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        assert!(references.iter().all(|text| digits(text) <= Some(8)), "none can be a card number");
        assert_eq!(Step::Purchase.code_expected(), "14000");
        assert_eq!(Step::Authorization.code_expected(), "02000");
        assert_eq!(Step::CaptureRest.code_expected(), "04000");
        assert_eq!(Step::Refund.code_expected(), "06000");
        assert_eq!(Step::CheckStatus.code_expected(), "12000");
    }
}
