//! FORT hashes parameters with nothing between them, so a value could be cut into parameters of its own. No answer that
//! the gateway signs can be passed off as another one by that, whoever chose the value.

use crate::support::page::{self, form, returned, signed, submit};
use crate::support::shop::*;
use crate::support::{Merchant, accounts, field, payment, text, wait_for};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tollgate_core::secret::Secret;

type Fields = Map<String, Value>;

/// What the customer wants the shop to believe, in the order of the names.
fn wanted(merchant: &Merchant, reference: &str) -> Vec<(&'static str, String)> {
    vec![
        ("merchant_identifier", merchant.merchant_identifier.clone()),
        ("merchant_reference", reference.to_owned()),
        ("response_code", "14000".to_owned()),
        ("response_message", "Success".to_owned()),
        ("status", "14".to_owned()),
    ]
}

/// The name that takes what was signed behind the wanted parameters. Shops look at it for tokens only.
const END: &str = "token_name";

/// The text that a customer smuggles into a value: the beginning of an e-mail address, the wanted parameters, its end.
fn smuggled(merchant: &Merchant, reference: &str) -> String {
    format!("a{}{END}=x@y.z", joined(wanted(merchant, reference).iter().map(|(name, value)| (*name, value.as_str()))))
}

fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(name, value)| format!("{name}={value}")).collect()
}

/// An answer without its signature, in the order in which it is hashed.
fn hashed(answer: &Fields) -> BTreeMap<&str, &str> {
    answer
        .iter()
        .filter(|(name, _)| *name != "signature")
        .map(|(n, value)| (n.as_str(), value.as_str().unwrap()))
        .collect()
}

/// The attack: `answer` cut anew, so that the wanted parameters are in it. `None` where its text does not hold them.
fn forged(answer: &Fields, merchant: &Merchant, reference: &str) -> Option<BTreeMap<String, String>> {
    let signed = hashed(answer);
    let whole = joined(signed.iter().map(|(name, value)| (*name, *value)));
    let wanted = wanted(merchant, reference);
    let inside = joined(wanted.iter().map(|(name, value)| (*name, value.as_str())));
    let at = whole.find(&format!("{inside}{END}="))?;
    let mut forged: BTreeMap<String, String> = BTreeMap::new();
    let mut start = 0;
    // What stands before stays as it is, as long as it is in order; the last of it takes the text up to the cut.
    for (name, value) in &signed {
        if start >= at || *name >= wanted[0].0 {
            break;
        }
        let begin = start + name.len() + 1;
        start = begin + value.len();
        let next = signed.keys().find(|next| *next > name).filter(|next| start < at && **next < wanted[0].0);
        let end = if next.is_some() { start } else { at };
        forged.insert((*name).to_owned(), whole[begin..end].to_owned());
    }
    forged.extend(wanted.into_iter().map(|(name, value)| (name.to_owned(), value)));
    forged.insert(END.to_owned(), whole[at + inside.len() + END.len() + 1..].to_owned());
    Some(forged)
}

/// What a shop does with what a browser posts to its return_url: is it signed, mine, for this order, and approved?
fn shop_accepts(merchant: &Merchant, posted: &BTreeMap<String, String>, signature: &str, reference: &str) -> bool {
    let phrase = Secret::new(merchant.response_phrase.clone());
    let fields = posted.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let is = |name: &str, value: &str| posted.get(name).is_some_and(|posted| posted == value);
    tollgate_fort::signature::sign(fields, &phrase, merchant.sha_type) == signature
        && is("merchant_identifier", &merchant.merchant_identifier)
        && is("merchant_reference", reference)
        && is("response_code", "14000")
        && is("status", "14")
}

/// The attack does not work on this answer, and it would if the answer had repeated `value` as `name`.
fn assert_safe(merchant: &Merchant, answer: &Fields, name: &str, value: &str, reference: &str) {
    assert!(!field(answer, "status").starts_with("14"), "it was refused: {answer:?}");
    assert_eq!(answer.get(name), None, "{answer:?}");
    merchant.check(answer);
    let signature = field(answer, "signature");
    assert!(
        forged(answer, merchant, reference).is_none_or(|posted| !shop_accepts(merchant, &posted, signature, reference))
    );

    let mut repeated = answer.clone();
    repeated.insert(name.to_owned(), value.into());
    let phrase = Secret::new(merchant.response_phrase.clone());
    let signature = tollgate_fort::signature::sign(hashed(&repeated), &phrase, merchant.sha_type);
    let posted = forged(&repeated, merchant, reference).expect("the attacker of this test knows his trade");
    assert!(shop_accepts(merchant, &posted, &signature, reference), "{name}: {posted:?}");
}

#[test]
fn an_answer_to_who_knows_no_phrase_repeats_nothing_that_could_be_cut_anew() {
    let shop = Shop::open();
    let mine = &shop.merchant;
    let value = smuggled(mine, "ORDER-1");
    let stranger = Merchant { request_phrase: "another".into(), ..mine.clone() };
    let misnamed = Merchant { merchant_identifier: "Another".into(), ..mine.clone() };
    let refused = |sender: &Merchant, name: &str, code: &str| {
        let params = with(payment("PURCHASE", "ORDER-1", "100", VISA), &[(name, &value)]);
        let (status, body) = shop.gateway.post_raw(&sender.sign(&params), "application/json");
        let answer: Fields = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, field(&answer, "response_code")), (200, code), "{answer:?}");
        assert_safe(mine, &answer, name, &value, "ORDER-1");
        let page = with(form("TOKENIZATION", "ORDER-1", VISA), &[("merchant_extra", &value)]);
        let back = returned(&page::post(&shop.gateway, &signed(sender, &page)));
        assert_eq!(field(&back.fields, "response_code"), code, "{:?}", back.fields);
        assert_eq!(field(&back.fields, "return_url"), back.to, "an honest address comes back");
        assert_safe(mine, &back.fields, "merchant_extra", &value, "ORDER-1");
    };
    // Names before and behind those that are smuggled: the order holds nobody off.
    for name in ["customer_email", "merchant_extra", "customer_name", "agreement_id", "phone_number", "token_name"] {
        refused(&stranger, name, "00008");
    }
    refused(&misnamed, "customer_email", "00009");
    // Nor an address, nor a name on the card, which no signature covers.
    let url = format!("https://shop.example/?{value}");
    let page = with(form("TOKENIZATION", "ORDER-1", VISA), &[("return_url", &url), ("card_holder_name", &value)]);
    let back = returned(&page::post(&shop.gateway, &signed(&stranger, &page)));
    assert_safe(mine, &back.fields, "return_url", &url, "ORDER-1");
    assert_safe(mine, &back.fields, "card_holder_name", &value, "ORDER-1");
    accounts::set(&shop.gateway, "demo", &["--active", "no"]);
    wait_for("the account is off", || {
        let answer = shop.call(&payment("PURCHASE", &shop.reference(), "100", VISA));
        (field(&answer, "status") == "00").then_some(())
    });
    let code = field(&shop.call(&payment("PURCHASE", "OFF", "100", VISA)), "response_code").to_owned();
    refused(mine, "customer_email", &code);
}

#[test]
fn a_customers_text_in_a_rightly_signed_request_is_refused_before_anything_is_kept() {
    let shop = Shop::open();
    let mine = &shop.merchant;
    for (place, name) in
        ["customer_email", "merchant_extra", "merchant_extra5", "agreement_id", "billing_street", "app_ver"]
            .into_iter()
            .enumerate()
    {
        let reference = format!("ORDER-{place}");
        let value = if name == "customer_email" {
            // As long as an e-mail address may be before its `@`; one known name is enough to be refused.
            "aresponse_code=14000status=14token_name=x@y.z".to_owned()
        } else {
            smuggled(mine, &reference)
        };
        let answer = shop.call(&with(payment("PURCHASE", &reference, "100", VISA), &[(name, &value)]));
        assert_code(&answer, "00002", name);
        assert_eq!(answer.get(name), None, "{answer:?}");
        if name != "customer_email" {
            assert_safe(mine, &answer, name, &value, &reference);
        }
        let told = wait_for("the refusal is noted", || {
            let output = shop.gateway.run(&["explain", &reference]);
            output.status.success().then(|| text(&output.stdout))
        });
        assert!(told.contains("00002") && told.contains(name) && told.contains("passed off as another"), "{told}");
    }
    let value = smuggled(mine, "PAGE");
    let page = with(form("TOKENIZATION", "PAGE", VISA), &[("merchant_extra", &value)]);
    let back = submit(&shop.gateway, mine, &page).fields;
    assert_code(&back, "00002", "merchant_extra");
    assert_safe(mine, &back, "merchant_extra", &value, "PAGE");
    // The browser adds the name on the card; the signature of the request is right whatever it is.
    let page = with(form("TOKENIZATION", "PAGE", VISA), &[("card_holder_name", &value)]);
    let back = submit(&shop.gateway, mine, &page).fields;
    assert_code(&back, "00032", "card_holder_name");
    assert_safe(mine, &back, "card_holder_name", &value, "PAGE");
    let url = format!("https://shop.example/?{value}");
    let back = submit(&shop.gateway, mine, &with(form("TOKENIZATION", "PAGE", VISA), &[("return_url", &url)])).fields;
    assert_code(&back, "00002", "return_url");
    assert_safe(mine, &back, "return_url", &url, "PAGE");
    assert_eq!(shop.gateway.issuer("/ledger/totals")["entries"], 0, "nothing went to the card network");
    assert_eq!(shop.gateway.run_well(&["token", "list", "demo", "--format", "json"]).matches("token_name").count(), 0);
}

/// A long name can be read as its ending. A shop that looks at the status alone would have been cheated by a stranger's
/// UPDATE_TOKEN.
#[test]
fn the_status_of_a_token_is_no_status_of_a_payment() {
    let shop = Shop::open();
    let stranger = Merchant { request_phrase: "another".into(), ..shop.merchant.clone() };
    let update = |status| {
        let params = [
            ("service_command", "UPDATE_TOKEN"),
            ("merchant_reference", "ORDER-1"),
            ("token_name", "t"),
            ("token_status", status),
        ];
        let (_, body) = shop.gateway.post_raw(&stranger.sign(&params), "application/json");
        let answer: Fields = serde_json::from_slice(&body).unwrap();
        shop.merchant.check(&answer);
        assert_code(&answer, "00008", status);
        answer
    };
    assert_eq!(field(&update("ACTIVE"), "token_status"), "ACTIVE", "an honest one comes back");
    let answer = update("14");
    assert_eq!(answer.get("token_status"), None, "{answer:?}");

    let mut repeated = answer.clone();
    repeated.insert("token_status".to_owned(), "14".into());
    let phrase = Secret::new(shop.merchant.response_phrase.clone());
    let sign = |fields: &BTreeMap<&str, &str>| {
        let fields = fields.iter().map(|(name, value)| (*name, *value));
        tollgate_fort::signature::sign(fields, &phrase, shop.merchant.sha_type)
    };
    let mut posted = hashed(&repeated);
    let signature = sign(&posted);
    let whole = joined(posted.iter().map(|(name, value)| (*name, *value)));
    let (_, behind) = whole.split_once("service_command=").unwrap();
    posted.retain(|name, _| *name < "service_command");
    posted.insert("service_command", behind.strip_suffix("status=14").unwrap());
    posted.insert("status", "14");
    assert_eq!(sign(&posted), signature, "the attack is one");
}

#[test]
fn honest_values_with_an_equals_sign_come_back_as_they_were_sent() {
    let shop = Shop::open();
    for (name, value) in [
        ("customer_email", "a=b@example.org"),
        ("merchant_extra", "cart=17&utm_source=mail&Status=new"),
        ("merchant_extra1", "c3RhdHVzPTE0Cg=="),
        ("merchant_extra2", "the status is = 14"),
    ] {
        let answer = shop.pay("PURCHASE", VISA, &[(name, value)]);
        assert_code(&answer, "14000", value);
        assert_eq!(field(&answer, name), value);
    }
    // The merchant writes its addresses itself, and may name its own parameters as it likes.
    let url = "https://shop.example/?discriminator=0f3a&status=new&amount=5";
    let back = submit(&shop.gateway, &shop.merchant, &with(form("TOKENIZATION", "T", VISA), &[("return_url", url)]));
    assert_code(&back.fields, "18000", url);
    assert_eq!((field(&back.fields, "return_url"), back.to.as_str()), (url, url));
}

#[test]
fn sign_explain_says_why_a_right_signature_is_refused() {
    let shop = Shop::open();
    let explained = |email: &str| {
        let body = shop.merchant.sign(&with(payment("PURCHASE", "R", "100", VISA), &[("customer_email", email)]));
        shop.gateway.run_with_input(&["sign", "--explain"], &text(&body))
    };
    let honest = explained("a=b@example.org");
    assert!(honest.status.success() && !text(&honest.stdout).contains("refuses"), "{}", text(&honest.stdout));
    let output = explained("astatus=14token_name=x@y.z");
    let told = text(&output.stdout);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("refuses it with 00002 for customer_email: the value holds `status=`"), "{told}");
}
