//! `/demo/return`: the customer comes back from the gateway, by POST or by GET.

use super::history::One;
use super::merchant::DemoMerchant;
use super::passed::{Passed, Verdict, Way};
use super::plan::{Place, Route};
use super::visitor::Visitor;
use super::web::{self, Asked};
use super::{DemoShop, RETURN_PATH, page, starting};
use http::{Method, StatusCode};
use tollgate_fort::message::Message;
use tollgate_http::Response;

impl DemoShop {
    /// Shows what came. The first return of a tokenization whose signature fits is paid with its token; a second one, and
    /// whatever anybody makes up, changes nothing.
    pub(super) async fn come_back(&self, asked: &Asked, visitor: &Visitor, merchant: DemoMerchant) -> Response {
        let language = asked.language();
        let (way, fields) = match asked.method {
            Method::POST => (Way::ReturnedByPost, asked.body.as_slice()),
            _ => (Way::ReturnedByGet, asked.query.as_bytes()),
        };
        let Ok(message) = Message::from_form(fields) else { return self.not_found(language) };
        let reference = message.text("merchant_reference").unwrap_or_default().into_owned();
        let passed = Passed::received(way, RETURN_PATH, self.gateway.now(), &message, &merchant);
        let one = self.history.get(&reference);
        // A customer who comes from another site has no cookie with him; then the signature says whose it is.
        let one = one.filter(|one| passed.verdict == Verdict::Fits || one.visitor == *visitor);
        let Some(one) = one else {
            let page = page::stray_return(language, &passed);
            return web::html(StatusCode::OK, page, web::Powers::Own);
        };
        let is_told = starting::is_told(&passed) && !has_feedback_of(&one, &passed);
        self.history.note(&reference, passed);
        if is_told {
            self.wait_for_feedback_of(&one).await;
        }
        self.pay_with_new_token(&reference, merchant, &self.caller(asked)).await;
        let path = web::try_path(&reference, one.plan.shop_language);
        if one.plan.route == Route::Standard || one.plan.place == Place::Frame {
            let page = page::leave_frame(one.plan.shop_language, &path);
            return web::html(StatusCode::OK, page, web::Powers::Own);
        }
        web::see(&path)
    }
}

/// Whether the feedback of what came back is there already.
fn has_feedback_of(one: &One, returned: &Passed) -> bool {
    one.passed.iter().any(|known| {
        matches!(known.way, Way::Feedback { .. }) && known.value("response_code") == returned.value("response_code")
    })
}
