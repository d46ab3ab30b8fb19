//! A gateway that is killed while its customers are authenticated, in front of a card network that lives on: what the
//! directory server was told counts, the payment follows once, and the merchant hears of it.

use crate::support::card_network::CardNetwork;
use crate::support::customer::{Customer, Form, IssuerPage, went_back};
use crate::support::receiver::{QUICK_FEEDBACK, Receiver};
use crate::support::shop::assert_code;
use crate::support::{Gateway, Merchant, QUICK, accounts, field, payment, text, wait_for};
use serde_json::{Map, Value};

const BACK: &str = "https://shop.example/pay/return?discriminator=0f3a";
const CHALLENGED_VISA: &str = "4557012345678902";
const MASK: &str = "455701******8902";

/// Everything that outlives a gateway: its folder, its address, the card network, the merchant's server.
struct Bed {
    folder: tempfile::TempDir,
    address: String,
    network: CardNetwork,
    receiver: Receiver,
}

/// Whether the card network can be reached.
#[derive(Clone, Copy)]
enum Link {
    Up,
    Down,
}

impl Bed {
    fn start() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let network = CardNetwork::start(&folder.path().join("network"), &[]);
        Bed { folder, address: free_address(), network, receiver: Receiver::start() }
    }

    /// The next life, at the same address: that is where the directory server posts results to.
    fn gateway(&self, link: Link) -> Gateway {
        let nobody = free_address();
        let acquirer = match link {
            Link::Up => &self.network.iso,
            Link::Down => &nobody,
        };
        let directory = self.network.directory_server();
        let mine = [
            ("TOLLGATE_ACQUIRER_ADDRESS", acquirer.as_str()),
            ("TOLLGATE_THREE_DS_DIRECTORY_SERVER_URL", &*directory),
            ("TOLLGATE_THREE_DS_ACQUIRER_BIN", "400555"),
            ("TOLLGATE_THREE_DS_REQUESTOR_ID", "SHOP"),
            ("TOLLGATE_THREE_DS_REQUESTOR_NAME", "Shop"),
            ("TOLLGATE_THREE_DS_REQUESTOR_URL", "https://shop.example"),
            ("TOLLGATE_THREE_DS_SERVER_REFERENCE", "OURS"),
        ];
        let environment: Vec<_> = QUICK.iter().chain(&QUICK_FEEDBACK).copied().chain(mine).collect();
        let data = self.folder.path().join("data");
        let gateway = Gateway::serve(&data, &["--dev", "--no-issuer", "--listen", &self.address], &environment);
        if matches!(link, Link::Up) {
            wait_for("the link is up", || gateway.is_ready().then_some(()));
        }
        gateway
    }

    /// A payment whose customer stands at the issuer's page.
    fn challenged(&self, gateway: &Gateway, merchant: &Merchant, more: &[(&str, &str)]) -> Challenged {
        let url = self.receiver.url("/direct");
        accounts::set(gateway, "demo", &[&["--direct-feedback-url", &url][..], &self.terms(more)].concat());
        let usual = [("return_url", BACK), ("eci", "ECOMMERCE")];
        let mut params = payment("PURCHASE", "order", "15000", CHALLENGED_VISA);
        params.retain(|(name, _)| *name != "check_3ds");
        params.extend_from_slice(&usual);
        let answer = gateway.call(merchant, &params);
        assert_code(&answer, "20064", "it waits for its customer");
        let customer = Customer::sent_to(gateway, field(&answer, "3ds_url"));
        let issuer = customer.at_the_issuer(&customer.go_on(customer.look()));
        Challenged { answer, customer, issuer }
    }

    fn terms<'a>(&self, more: &[(&'a str, &'a str)]) -> Vec<&'a str> {
        more.iter().flat_map(|(name, value)| [*name, *value]).collect()
    }

    /// The card network's approvals of the card.
    fn approvals(&self) -> usize {
        let entries = self.network.get(&format!("/ledger/entries?mask={}", MASK.replace('*', "%2A")));
        let took = |entry: &&Value| entry["posted_delta"].as_i64() == Some(15_000);
        entries.as_array().unwrap().iter().filter(took).count()
    }

    /// The payment has followed once, and the merchant's server has heard that, and nothing else.
    fn assert_paid_once(&self, gateway: &Gateway, merchant: &Merchant, answer: &Map<String, Value>) {
        let feedback = self.receiver.wait_for("order", "14000").json();
        merchant.check(&feedback);
        assert_eq!(field(&feedback, "fort_id"), field(answer, "fort_id"));
        assert_eq!(self.receiver.received().len(), 1, "once");
        let told = gateway.wait_for_status(merchant, "order", |told| field(told, "transaction_code") == "14000");
        assert_eq!(field(&told, "captured_amount"), "15000");
        // Time goes on, and nothing else follows.
        gateway.run_well(&["clock", "advance", "20m"]);
        let again = gateway.call(merchant, &[("query_command", "CHECK_STATUS"), ("merchant_reference", "order")]);
        assert_eq!(field(&again, "transaction_code"), "14000");
        assert_eq!((self.approvals(), self.receiver.received().len()), (1, 1), "in the issuer's books, and told");
        let story = gateway.run_well(&["explain", "order"]);
        assert!(story.contains("the customer passed the challenge"), "{story}");
    }
}

/// A customer at the issuer's page.
struct Challenged {
    answer: Map<String, Value>,
    customer: Customer,
    issuer: IssuerPage,
}

impl Challenged {
    /// The code that the issuer's page shows.
    fn code(&self) -> String {
        let page = text(&self.issuer.answer.body);
        let (_, rest) = page.split_once("the code is").unwrap_or_else(|| panic!("no code: {page}"));
        rest.chars().filter(char::is_ascii_digit).take(6).collect()
    }
}

/// An address at which nobody listens now.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_gateway_killed_during_a_challenge_takes_its_result_and_pays_once() {
    let bed = Bed::start();
    let mut gateway = bed.gateway(Link::Up);
    let merchant = gateway.demo();
    let challenged = bed.challenged(&gateway, &merchant, &[]);
    gateway.kill();
    let gateway = bed.gateway(Link::Up);
    assert_eq!(bed.approvals(), 0);
    let back = challenged.customer.type_code(&challenged.issuer, &challenged.code());
    let back = went_back(&merchant, &back.answer);
    assert_code(&back.fields, "14000", "after a restart");
    assert_eq!(field(&back.fields, "fort_id"), field(&challenged.answer, "fort_id"));
    bed.assert_paid_once(&gateway, &merchant, &challenged.answer);
}

#[test]
fn a_gateway_killed_between_the_result_and_the_payment_pays_once_after_its_start() {
    let bed = Bed::start();
    let mut gateway = bed.gateway(Link::Up);
    let merchant = gateway.demo();
    let challenged = bed.challenged(&gateway, &merchant, &[]);
    gateway.kill();
    // A life that hears the result and cannot send: it is killed with the result written and no payment begun.
    let mut gateway = bed.gateway(Link::Down);
    challenged.customer.send(&challenged.issuer.form("submit", Some(&challenged.code())));
    wait_for("the result is written, and the payment cannot begin", || {
        gateway.output().contains("a payment after an authentication was refused").then_some(())
    });
    gateway.kill();
    let gateway = bed.gateway(Link::Up);
    let waits = gateway.call(&merchant, &[("query_command", "CHECK_STATUS"), ("merchant_reference", "order")]);
    assert_eq!((field(&waits, "transaction_code"), bed.approvals()), ("20064", 0), "nothing was sent yet");
    // Nobody comes: neither the customer's browser nor the directory server.
    gateway.run_well(&["clock", "advance", "30s"]);
    bed.assert_paid_once(&gateway, &merchant, &challenged.answer);
    let back = went_back(&merchant, &challenged.customer.follow(challenged.customer.look()));
    assert_code(&back.fields, "14000", "who comes later");
}

#[test]
fn a_gateway_killed_after_a_soft_decline_takes_the_challenge_and_pays_once() {
    let bed = Bed::start();
    let mut gateway = bed.gateway(Link::Up);
    let merchant = gateway.demo();
    let challenged = bed.challenged(&gateway, &merchant, &[("--three-ds", "on-soft-decline")]);
    assert!(bed.receiver.received().is_empty(), "the decline is not told");
    gateway.kill();
    let gateway = bed.gateway(Link::Up);
    challenged.customer.send(&challenged.issuer.form("submit", Some(&challenged.code())));
    bed.assert_paid_once(&gateway, &merchant, &challenged.answer);
    let form_is_gone = Form::all(&text(&challenged.customer.look().body)).iter().all(|form| form.action != "/card");
    assert!(form_is_gone, "the order of an API payment takes no other card");
}
