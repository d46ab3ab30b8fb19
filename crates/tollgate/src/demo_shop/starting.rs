//! A try begins, and what is done to its payment afterwards.

use super::cart::Cart;
use super::history::{History, One};
use super::merchant::DemoMerchant;
use super::passed::{Passed, Verdict, Way};
use super::plan::{self, Caller, CodeSent, Params, Plan, Route, Wrong};
use super::visitor::{Visitor, random_hex};
use super::web::{self, Asked};
use super::{DemoShop, RETURN_PATH, server_call};
use crate::client::{self, PAGE_PATH};
use std::sync::Arc;
use tollgate_core::money::Amount;
use tollgate_fort::message::Message;
use tollgate_http::Response;

/// The random part of a reference, in bytes: its 10 hex digits are too few for a card number, which has at least 12. One that
/// looked like a card number would be masked wherever it is shown.
const REFERENCE_BYTES: usize = 5;
/// How long the page that follows an outcome waits for its feedback, in milliseconds.
const FEEDBACK_WAIT_MS_MAX: u64 = 700;

impl DemoShop {
    /// `POST /demo/start`: a button of the first page.
    pub(super) async fn start(&self, asked: &Asked, visitor: &Visitor, merchant: DemoMerchant) -> Response {
        let Some(currencies) = merchant.currencies() else { return self.front(asked, visitor, &merchant, None) };
        let cart = Cart::of(|name| asked.form_value(name), &currencies);
        let tokens = self.history.tokens_of(visitor);
        let language = asked.language();
        let plan = match Plan::of(|name| asked.form_value(name), &cart, &self.cards, &tokens, language) {
            Ok(plan) => plan,
            Err(wrong) => return self.front(asked, visitor, &merchant, Some((cart, wrong))),
        };
        let Some(random) = random_hex::<REFERENCE_BYTES>() else {
            return web::unavailable("the system gives no randomness; try again");
        };
        let reference = format!("DEMO-{random}");
        self.history.add(One::new(reference.clone(), visitor.clone(), plan.clone()));
        self.hearing.listen_to(&merchant);
        let caller = self.caller(asked);
        let params = match (plan.route, &plan.token) {
            (Route::Trusted, _) => {
                let Some(card) = self.cards.get(plan.card) else {
                    return self.front(asked, visitor, &merchant, Some((cart, Wrong::Card)));
                };
                Some(plan.card_params(&reference, card, self.gateway.now(), &caller))
            }
            (Route::Token, Some(token)) => Some(plan.token_params(&reference, token, plan.code, &caller)),
            _ => None,
        };
        match params {
            Some(params) => self.call(&reference, merchant, params).await,
            None => {
                let form = merchant.signed(plan.form_params(&reference, &caller.return_url), plan.form_unsigned());
                let passed = Passed::sent(Way::Form, PAGE_PATH, self.gateway.now(), &form);
                self.history.note(&reference, passed);
            }
        }
        web::see(&web::try_path(&reference, language))
    }

    /// `POST /demo/try/{reference}/do`: CAPTURE, VOID_AUTHORIZATION, REFUND or CHECK_STATUS.
    pub(super) async fn maintain(
        &self,
        asked: &Asked,
        visitor: &Visitor,
        merchant: DemoMerchant,
        reference: &str,
    ) -> Response {
        let language = asked.language();
        let Some(one) = self.history.of_visitor(reference, visitor) else { return self.not_found(language) };
        let command = asked.form_value("command").unwrap_or_default();
        let command =
            ["CAPTURE", "VOID_AUTHORIZATION", "REFUND", "CHECK_STATUS"].into_iter().find(|known| *known == command);
        let Some(command) = command else { return self.not_found(language) };
        let mut params: Params = vec![
            (if command == "CHECK_STATUS" { "query_command" } else { "command" }, command.to_owned()),
            ("merchant_reference", reference.to_owned()),
        ];
        if matches!(command, "CAPTURE" | "REFUND") {
            let money = one.plan.money;
            let typed = asked.form_value("amount").unwrap_or_default();
            let amount = Amount::parse_major(typed.trim(), money.currency).filter(|amount| *amount > Amount::ZERO);
            // What is no amount of the currency is what was paid: the field says so.
            let amount = amount.unwrap_or(money.amount);
            params.push(("amount", amount.to_string()));
            params.push(("currency", money.currency.to_string()));
        }
        params.push(("language", plan::code_of(one.plan.language).to_owned()));
        self.hearing.listen_to(&merchant);
        self.call(reference, merchant, params).await;
        web::see(&web::try_path(reference, language))
    }

    /// Pays with the token that came back, once.
    pub(super) async fn pay_with_new_token(&self, reference: &str, merchant: DemoMerchant, caller: &Caller) {
        let Some(one) = self.history.claim_payment(reference) else { return };
        let Some(token) = &one.token else { return };
        // The gateway holds the code that the customer typed.
        let params = one.plan.token_params(reference, token, CodeSent::No, caller);
        self.call(reference, merchant, params).await;
    }

    /// What the shop's server says of the customer and of itself.
    pub(super) fn caller(&self, asked: &Asked) -> Caller {
        let origin = asked.origin(self.wiring.scheme);
        Caller { customer_ip: asked.peer.to_string(), return_url: format!("{origin}{RETURN_PATH}") }
    }

    /// A call of the shop's server, which goes to its end even if the browser goes.
    async fn call(&self, reference: &str, merchant: DemoMerchant, params: Params) {
        let call = Call {
            reference: reference.to_owned(),
            merchant,
            history: Arc::clone(&self.history),
            gateway: self.gateway.clone(),
            inner: Arc::clone(&self.inner),
        };
        if let Err(error) = tokio::spawn(call.make(params)).await {
            tracing::error!(%error, "a call of the demo shop ended early");
        }
    }
}

struct Call {
    reference: String,
    merchant: DemoMerchant,
    history: Arc<History>,
    gateway: tollgate_app::Gateway,
    inner: Arc<dyn tollgate_http::Service>,
}

impl Call {
    async fn make(self, params: Params) {
        let heard = self.history.get(&self.reference).map_or(0, |one| one.feedback_count());
        let signed = self.merchant.signed(params, &[]);
        let sent = Passed::sent(Way::Call, client::PATH, self.gateway.now(), &signed);
        self.history.note(&self.reference, sent);
        let body = self.merchant.body(&signed);
        drop(signed);
        let answer = match server_call::post(self.inner, body).await {
            Ok(answer) => answer,
            Err(error) => {
                self.history.note_trouble(&self.reference, format!("{error:#}"));
                return;
            }
        };
        let now = self.gateway.now();
        let passed = match Message::from_json(&answer) {
            Ok(message) => Passed::received(Way::Answer, client::PATH, now, &message, &self.merchant),
            Err(_) => {
                let text = String::from_utf8_lossy(&answer);
                Passed::unreadable(Way::Answer, client::PATH, now, &text, &self.merchant)
            }
        };
        let is_told = is_told(&passed);
        self.history.note(&self.reference, passed);
        if is_told {
            self.history.wait_for_feedback(&self.reference, heard, FEEDBACK_WAIT_MS_MAX).await;
        }
    }
}

/// Whether the merchant's server is told of an outcome like this as well.
pub(super) fn is_told(passed: &Passed) -> bool {
    let status = passed.value("status").unwrap_or_default();
    passed.verdict == Verdict::Fits
        && matches!(status, "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09" | "13" | "14")
}

impl DemoShop {
    /// Waits a little for the feedback of an outcome that the browser brought.
    pub(super) async fn wait_for_feedback_of(&self, one: &One) {
        self.history.wait_for_feedback(&one.reference, one.feedback_count(), FEEDBACK_WAIT_MS_MAX).await;
    }
}

#[cfg(test)]
mod tests {
    use super::REFERENCE_BYTES;
    use tollgate_fort::command::mask_card_numbers;

    #[test]
    fn no_reference_of_the_shop_can_be_taken_for_a_card_number() {
        // Zeros have a right check digit, whatever their number.
        let reference = format!("DEMO-{}", "0".repeat(2 * REFERENCE_BYTES));
        assert_eq!(mask_card_numbers(&reference), reference);
    }
}
