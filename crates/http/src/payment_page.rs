//! `POST /FortAPI/paymentPage`: a form that the customer's browser posts, and its way back to the merchant.
//!
//! A payment, and a TOKENIZATION without card data, leads on to the gateway's own page ([`crate::checkout`]). Card data from
//! a form of the merchant's own is kept, and the answer goes back at once, signed, by a form that submits itself or by a
//! redirect. Refusals go the same way.
//! Where there is no way back, the customer sees a page that says so, with nothing of the request in it.

use crate::Request;
use crate::answer::{AnswerBody, Response};
use crate::body::{self, Body};
use crate::checkout::{CHECKOUT_PATH, see_other};
use crate::pages::nonce::Nonce;
use crate::pages::view::{Face, Framing, PageSetting, ReturnPage, Told, ToldPage};
use crate::pages::{return_page, told_page};
use crate::payment_api::{CameFrom, PaymentApi, is_form, unreadable};
use crate::source::{Arrival, Peer};
use http::{HeaderValue, Method, StatusCode, header};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_app::Account;
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::code::refused;
use tollgate_core::page::{ReturnMethod, is_return_url};
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_fort::message::{BODY_BYTES_MAX, Message};
use tollgate_fort::response::Fields;
use tollgate_fort::service::identify;
use tollgate_fort::text::Language;

/// The answer to a browser.
pub(crate) async fn answer(
    api: &PaymentApi,
    request: Request,
    peer: Peer,
    stray: Option<Cow<'static, str>>,
) -> Response {
    if request.method() != Method::POST {
        let mut response = error_page(api, &unreadable("the payment page takes POST"), Language::English);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let form = is_form(&request);
    let (head, body) = request.into_parts();
    let customer = api.address_of(&Arrival { peer, headers: head.headers });
    let message = match body::read(body, BODY_BYTES_MAX).await {
        Body::Whole(_) if !form => Err("the payment page takes forms (application/x-www-form-urlencoded)".to_owned()),
        Body::Whole(bytes) => Message::from_form(&bytes).map_err(|fault| fault.to_string()),
        Body::TooLarge => Err("the body is larger than 64 KiB".to_owned()),
        Body::Broken => Err("the body did not arrive in whole".to_owned()),
    };
    match message {
        Ok(message) => go_on(api, &message, customer, stray).await,
        Err(fault) => {
            let fields = unreadable(&fault);
            api.count(&fields);
            error_page(api, &fields, Language::English)
        }
    }
}

/// Where the browser goes back to: the request's `return_url`, else the merchant's own, if there is a usable one.
pub(crate) fn return_target<'a>(account: &'a Account, message: &'a Message) -> Option<Cow<'a, str>> {
    let given = message.text("return_url").filter(|url| is_usable(url));
    let own = || account.merchant.terms.channel.page.return_url.as_deref().filter(|url| is_usable(url));
    given.or_else(|| own().map(Cow::Borrowed))
}

/// The refusal of a request whose answer could not go anywhere.
pub(crate) fn nowhere_to_return() -> Refusal {
    let detail = "neither the request has a usable return_url nor the merchant one of its own: `tollgate merchant set \
                  NAME --return-url URL`";
    Refusal::of(refused::MISSING_RETURN_URL, Guilty::MerchantRequest, detail).at("return_url")
}

/// The most characters of an address that a browser is sent to.
const URL_CHARS_MAX: usize = 400;

pub(crate) fn is_usable(url: &str) -> bool {
    url.chars().count() <= URL_CHARS_MAX && is_return_url(url) && !holds_card_number(url)
}

/// To the page where the customer types a card, or back at once.
async fn go_on(
    api: &PaymentApi,
    message: &Message,
    customer: Option<IpAddr>,
    stray: Option<Cow<'static, str>>,
) -> Response {
    let language = identify(message).language;
    let mut told = api.told(message, stray, CameFrom::Browser(customer)).await;
    if let Some(link) = &told.page {
        return see_other(&format!("{CHECKOUT_PATH}{}", link.as_str()));
    }
    api.count(&told.fields);
    let way = told.account.as_ref().and_then(|to| {
        let target = return_target(&to.account, message)?.into_owned();
        Some((Arc::clone(&to.account), target))
    });
    let Some((account, target)) = way else { return error_page(api, &told.fields, language) };
    match account.merchant.terms.channel.page.return_method {
        ReturnMethod::Post => return_form(api, &account, &target, &told.signed(), language),
        ReturnMethod::Get => {
            told.fields = told.fields.starred();
            redirect(&target, &told.signed()).unwrap_or_else(|fields| error_page(api, &fields, language))
        }
    }
}

/// A redirect with the fields behind the query that the address has already; the fields again where it cannot be
/// written as a header.
fn redirect(target: &str, fields: &Fields) -> Result<Response, Fields> {
    let Ok(location) = HeaderValue::from_str(&with_query(target, fields)) else { return Err(fields.clone()) };
    let mut response = Response::new(AnswerBody::whole(""));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The address with the fields behind the query that it has already.
pub(crate) fn with_query(target: &str, fields: &Fields) -> String {
    let (address, fragment) = match target.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (target, None),
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields.iter()).finish();
    let joint = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let fragment = fragment.map_or_else(String::new, |fragment| format!("#{fragment}"));
    ascii(&format!("{address}{joint}{query}{fragment}"))
}

/// The address with every character beyond ASCII as the percent signs of its UTF-8 bytes.
fn ascii(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for character in address.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        }
    }
    out
}

/// What the customer sees where there is no way back: what to do, what to tell the shop, and nothing that was sent.
fn error_page(api: &PaymentApi, fields: &Fields, language: Language) -> Response {
    shown(api, None, language, |setting| told_page(&ToldPage { setting, told: Told::Refused(fields) }))
}

fn return_form(api: &PaymentApi, account: &Account, target: &str, fields: &Fields, language: Language) -> Response {
    shown(api, Some(account), language, |setting| return_page(&ReturnPage { setting, target, fields }))
}

/// A page without a checkout behind it. The form that led here may stand in a frame of the merchant's.
fn shown(
    api: &PaymentApi,
    account: Option<&Account>,
    language: Language,
    page: impl FnOnce(PageSetting<'_>) -> Response,
) -> Response {
    let nonce = Nonce::draw();
    let face = account.map_or_else(Face::default, |account| {
        Face::of_merchant(account.merchant.id, &account.merchant.terms, language)
    });
    page(PageSetting {
        language,
        face: &face,
        nonce: nonce.as_ref(),
        framing: &Framing::Anybody,
        world: api.host().world,
        transport: api.host().transport,
        other_language_url: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields() -> Fields {
        tollgate_fort::response::unreadable(refused::INVALID_REQUEST_FORMAT)
    }

    fn location(target: &str) -> String {
        let response = redirect(target, &fields()).ok().unwrap();
        response.headers()[header::LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_redirect_keeps_the_query_and_the_fragment() {
        const SENT: &str = "response_code=00073&response_message=Invalid+request+format&status=00";
        for (target, begin, end) in [
            ("https://shop.example/back", "https://shop.example/back?", ""),
            ("https://shop.example/back?", "https://shop.example/back?", ""),
            ("https://shop.example/back?a=b", "https://shop.example/back?a=b&", ""),
            ("https://shop.example/back?a=b#c?d", "https://shop.example/back?a=b&", "#c?d"),
            ("https://shop.example#c", "https://shop.example?", "#c"),
            ("https://shop.example/عودة", "https://shop.example/%D8%B9%D9%88%D8%AF%D8%A9?", ""),
        ] {
            assert_eq!(location(target), format!("{begin}{SENT}{end}"), "{target}");
        }
    }

    #[test]
    fn addresses_that_hold_a_card_number_or_are_none_are_not_gone_to() {
        assert!(is_usable("https://shop.example/back?order=17"));
        for url in ["https://shop.example/?pan=4005550000000001", "javascript:alert(1)", "data:text/html,x"] {
            assert!(!is_usable(url), "{url}");
        }
        assert!(!is_usable(&format!("https://shop.example/{}", "a".repeat(URL_CHARS_MAX))));
    }
}
