//! `/checkout/{link}`: the gateway's own pages, where a customer pays or hands a card over.
//!
//! GET shows where the checkout stands and changes nothing. What is posted is carried out, and the answer to it is always
//! a redirect to that page, so that loading it again sends nothing twice; only a form with a fault comes back at once.

use crate::Request;
use crate::answer::{AnswerBody, Response, plain};
use crate::body::{self, Body};
use crate::pages::browser::WindowSize;
use crate::pages::nonce::Nonce;
use crate::pages::typed::{Fault, typed_card_number, typed_code, typed_expiry, typed_holder};
use crate::pages::view::{
    BrowserPage, CardAsked, CardPage, CardPurpose, ChallengePage, ChallengeShown, CodeAsked, Face, Framing, MethodPage,
    Notice, NotificationPage, OrderSummary, PageSetting, ReturnLinkPage, ReturnPage, SaveOffer, StepOver, Told,
    ToldPage, TypedBefore, WaitPage,
};
use crate::pages::{
    browser_page, card_page, challenge_page, field, method_page, notification_page, return_link_page, return_page,
    told_page, wait_page,
};
use crate::payment_api::{PaymentApi, is_form};
use crate::payment_link;
use crate::payment_page::{is_usable, with_query};
use crate::source::{Arrival, Peer};
use crate::three_ds::browser_of;
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::Arc;
use tollgate_app::{Account, Refused, SeenCheckout, SeenLink, Stage, ThreeDsEvent};
use tollgate_core::answer::Answer;
use tollgate_core::bin::Brand;
use tollgate_core::checkout::{Purpose, Typed, TypedCard};
use tollgate_core::code::{ResponseCode, message, refused};
use tollgate_core::command::{RememberMe, TokenizeKind};
use tollgate_core::merchant::{Terms, TokenService};
use tollgate_core::order::PayKind;
use tollgate_core::page::{ReturnMethod, WebOrigin};
use tollgate_core::refusal::Refusal;
use tollgate_core::secret::Secret;
use tollgate_fort::message::Message;
use tollgate_fort::response::{self, Echo, Fields};
use tollgate_fort::service::Service;
use tollgate_fort::text::Language;
use tollgate_threeds::encode::read_method_notification;
use tollgate_threeds::flow::Todo;

/// What stands before the link in the path.
pub(crate) const CHECKOUT_PATH: &str = "/checkout/";
/// The largest form, in bytes: a CRes in base64url is the most that comes.
const FORM_BYTES_MAX: usize = 32 * 1024;
/// How long the 3DS method may run, in milliseconds (EMVCo 3DS 2.2, 10 s).
const METHOD_WAIT_MS: u32 = 10_000;
/// After how many seconds a waiting page looks again.
const WAIT_PAUSE_S: u32 = 2;

/// What a path below [`CHECKOUT_PATH`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To see where it stands.
    Page,
    /// To take a card.
    Card,
    /// To cancel.
    Cancel,
    /// To go on, with what the browser is.
    Browser,
    /// That the 3DS method is done: the ACS has the browser post it.
    Method,
    /// That the challenge is over: the ACS has the browser post it.
    Challenged,
}

/// The answer to a customer's browser.
pub(crate) async fn answer(api: &PaymentApi, request: Request, peer: Peer) -> Response {
    let path = request.uri().path().strip_prefix(CHECKOUT_PATH).unwrap_or_default().to_owned();
    let (link, asked) = match path.split_once('/') {
        None => (path.as_str(), Asked::Page),
        Some((link, "card")) => (link, Asked::Card),
        Some((link, "cancel")) => (link, Asked::Cancel),
        Some((link, "browser")) => (link, Asked::Browser),
        Some((link, "method")) => (link, Asked::Method),
        Some((link, "challenged")) => (link, Asked::Challenged),
        Some((_, _)) => return not_found(api),
    };
    let shown_in = language_of_query(request.uri().query());
    if (asked == Asked::Page) != matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "Tollgate: a checkout is looked at with GET, and sent with POST\n",
        );
    }
    let seen = match api.gateway().checkout(link).await {
        Ok(Some(seen)) => Arc::new(seen),
        Ok(None) => return not_found(api),
        Err(refused) => return unavailable(api, &refused.refusal),
    };
    let language = shown_in.unwrap_or_else(|| language_of(&seen));
    let desk = Desk { api, seen, language };
    let is_form = is_form(&request);
    let (head, body) = request.into_parts();
    let arrival = Arrival { peer, headers: head.headers };
    match asked {
        Asked::Page => desk.page(None),
        Asked::Cancel => match api.gateway().cancel_checkout(&desk.seen).await {
            Ok(()) => desk.look_again(),
            Err(refused) => unavailable(api, &refused.refusal),
        },
        Asked::Card | Asked::Browser | Asked::Method | Asked::Challenged => {
            match body::read(body, FORM_BYTES_MAX).await {
                Body::Whole(bytes) if is_form => match Message::from_form(&bytes) {
                    Ok(form) => desk.take(asked, &form, &arrival).await,
                    Err(_) => desk.look_again(),
                },
                _ => desk.look_again(),
            }
        }
    }
}

/// A checkout with what is needed to show it.
struct Desk<'a> {
    api: &'a PaymentApi,
    seen: Arc<SeenCheckout>,
    /// The language of the page; the merchant's answer has its own.
    language: Language,
}

/// What was wrong with a form, and what of it stays.
#[derive(Default)]
struct SentBack {
    faults: Vec<Fault>,
    notice: Option<Notice>,
    expiry: String,
    holder: String,
    ticked: bool,
}

impl Desk<'_> {
    /// The page as the checkout stands.
    fn page(&self, sent_back: Option<&SentBack>) -> Response {
        match self.seen.stage() {
            Stage::Form(declined) => self.card_form(declined, sent_back),
            // The look for late checkouts ends it in a moment, and then the browser goes back.
            Stage::Wait | Stage::TimeIsOver => self.wait(),
            Stage::Authentication => self.authentication(),
            Stage::Return => self.go_back(),
        }
    }

    fn card_form(&self, declined: Option<ResponseCode>, sent_back: Option<&SentBack>) -> Response {
        let none = SentBack::default();
        let sent_back = sent_back.unwrap_or(&none);
        let checkout = &self.seen.checkout;
        let brands = brands_of(&self.seen);
        let page_url = self.url("");
        let (action_url, cancel_url) = (self.url("/card"), self.url("/cancel"));
        let target = self.target();
        let origin = target.as_deref().and_then(WebOrigin::of_url);
        let card = match &self.seen.kept {
            Some(token) => CardAsked::Kept {
                mask: &token.card.mask,
                expiry: &token.card.expiry,
                brand: Some(token.card.brand),
                code: CodeAsked::Asked,
            },
            None => CardAsked::Whole {
                typed: TypedBefore { expiry: &sent_back.expiry, holder: &sent_back.holder },
                save: self.save_offer(sent_back.ticked),
            },
        };
        let left = self.seen.tries_left();
        self.shown(|setting| {
            card_page(&CardPage {
                setting,
                purpose: match checkout.purpose {
                    Purpose::Pay(_) => CardPurpose::Pay,
                    Purpose::Tokenize(_) => CardPurpose::Tokenize,
                },
                summary: self.summary(),
                card,
                brands: &brands,
                page_url: &page_url,
                action_url: &action_url,
                cancel_url: Some(&cancel_url),
                redirect_origin: origin.as_ref(),
                faults: &sent_back.faults,
                notice: sent_back.notice.or_else(|| declined.map(notice_of)),
                attempts_left: (left < checkout.tries_max).then_some(u32::from(left)),
                now: self.seen.seen_at,
                ends_at: checkout.expires_at,
            })
        })
    }

    fn wait(&self) -> Response {
        let next_url = self.url("");
        self.shown(|setting| {
            wait_page(&WaitPage { setting, summary: self.summary(), next_url: &next_url, pause_s: WAIT_PAUSE_S })
        })
    }

    /// What the customer's authentication needs now.
    fn authentication(&self) -> Response {
        let (page_url, go_on_url, cancel_url) = (self.url(""), self.url("/browser"), self.url("/cancel"));
        let Some(flow) = self.seen.flow() else {
            return self.shown(|setting| browser_page(&BrowserPage { setting, go_on_url: &go_on_url }));
        };
        match flow.todo() {
            Todo::CollectBrowser(None) => {
                self.shown(|setting| browser_page(&BrowserPage { setting, go_on_url: &go_on_url }))
            }
            Todo::CollectBrowser(Some(frame)) | Todo::AwaitMethod { frame, .. } => self.shown(|setting| {
                method_page(&MethodPage {
                    setting,
                    method_url: frame.url.as_str(),
                    method_data: &frame.data,
                    wait_ms: METHOD_WAIT_MS,
                    go_on_url: &go_on_url,
                })
            }),
            Todo::ShowChallenge(challenge) => {
                let size = WindowSize::parse(challenge.window.code());
                self.shown(|setting| {
                    challenge_page(&ChallengePage {
                        setting,
                        acs_url: challenge.url.as_str(),
                        creq: &challenge.creq,
                        session_data: Some(&challenge.session_data),
                        shown: size.map_or(ChallengeShown::FullPage, ChallengeShown::Frame),
                        go_on_url: &page_url,
                        cancel_url: Some(&cancel_url),
                    })
                })
            }
            Todo::SendRequest | Todo::AwaitAnswer { .. } | Todo::AwaitResult { .. } | Todo::Done => self.wait(),
        }
    }

    /// Back to the merchant, with the signed answer.
    fn go_back(&self) -> Response {
        let answer = self.seen.answer();
        let Some(target) = self.target() else {
            return match &self.seen.payment_link {
                // The link tells how it stands: with a receipt, or with another try.
                Some(code) => see_other(&payment_link::path_of(code.as_str(), self.language)),
                None => self.told(&answer),
            };
        };
        let fields = self.fields(&answer);
        let page = &self.seen.account.merchant.terms.channel.page;
        if page.return_method == ReturnMethod::Get {
            // Not by a redirect: what led here was a form of a page of ours, whose policy names neither the shop nor where
            // the shop may redirect to, and Chromium holds the whole way to it.
            let target = with_query(&target, &self.signed(fields.starred()));
            return self.shown(|setting| return_link_page(&ReturnLinkPage { setting, target: &target }));
        }
        let fields = self.signed(fields);
        self.shown(|setting| return_page(&ReturnPage { setting, target: &target, fields: &fields }))
    }

    /// Where there is no way back, the customer is told how it ended.
    fn told(&self, answer: &Answer) -> Response {
        let told = match (answer.code.status(), self.summary()) {
            (18 | 52, _) => Told::CardKept,
            (2 | 14, Some(summary)) => Told::Paid(summary),
            (15, Some(summary)) => Told::Unknown(summary),
            (_, Some(summary)) if answer.code != refused::CANCELLED => Told::NotPaid(summary),
            _ if answer.code == refused::CANCELLED => Told::Cancelled,
            _ => Told::SessionEnded,
        };
        self.shown(|setting| told_page(&ToldPage { setting, told }))
    }

    fn fields(&self, answer: &Answer) -> Fields {
        let checkout = &self.seen.checkout;
        let service = match &checkout.purpose {
            Purpose::Pay(pay) => match pay.kind {
                PayKind::Authorization => Service::Authorization,
                _ => Service::Purchase,
            },
            Purpose::Tokenize(wish) => match wish.kind {
                TokenizeKind::Tokenization => Service::Tokenization,
                TokenizeKind::CreateToken => Service::CreateToken,
            },
        };
        response::render(Some(service), Echo::Kept(&checkout.params), answer, language_of(&self.seen))
    }

    /// Signed with the phrase of the access code that the request came with, where the merchant still has it.
    fn signed(&self, fields: Fields) -> Fields {
        self.api.count(&fields);
        match self.seen.account.merchant.credential(&self.seen.checkout.access_code) {
            Some(credential) => fields.sign(&credential.response_phrase, credential.sha_type),
            None => fields,
        }
    }

    /// The merchant's address for the way back.
    fn target(&self) -> Option<String> {
        // A payment link has its own page to go back to.
        let own = self.seen.account.merchant.terms.channel.page.return_url.as_deref();
        let own = own.filter(|_| self.seen.payment_link.is_none());
        let given = self.seen.checkout.params.get("return_url");
        [given, own].into_iter().flatten().find(|url| is_usable(url)).map(str::to_owned)
    }

    fn summary(&self) -> Option<OrderSummary<'_>> {
        let Purpose::Pay(pay) = &self.seen.checkout.purpose else { return None };
        Some(OrderSummary {
            amount: pay.money(),
            reference: Some(&pay.merchant_reference),
            description: self.seen.checkout.params.get("order_description"),
        })
    }

    /// The customer is asked where the merchant asked for the card to be kept, and can keep it.
    fn save_offer(&self, ticked: bool) -> SaveOffer {
        let wish = match &self.seen.checkout.purpose {
            // The card of an agreement is kept in any case.
            Purpose::Pay(_) if self.seen.checkout.params.get("recurring_mode").is_some() => None,
            Purpose::Pay(pay) => pay.remember_me,
            Purpose::Tokenize(_) => None,
        };
        match wish {
            Some(RememberMe::Yes) if self.terms().tokens == TokenService::On && ticked => SaveOffer::Ticked,
            Some(RememberMe::Yes) if self.terms().tokens == TokenService::On => SaveOffer::Offered,
            _ => SaveOffer::NotOffered,
        }
    }

    fn terms(&self) -> &Terms {
        &self.seen.account.merchant.terms
    }

    /// A path of this checkout, in the language that is shown.
    fn url(&self, rest: &str) -> String {
        let link = self.seen.link.as_str();
        format!("{CHECKOUT_PATH}{link}{rest}?language={}", code_of(self.language))
    }

    fn shown(&self, page: impl FnOnce(PageSetting<'_>) -> Response) -> Response {
        self.shown_in(framing_of(&self.seen, self.target().as_deref()), page)
    }

    fn shown_in(&self, framing: Framing, page: impl FnOnce(PageSetting<'_>) -> Response) -> Response {
        let merchant = &self.seen.account.merchant;
        let face = Face::of_merchant(merchant.id, &merchant.terms, self.language);
        let nonce = Nonce::draw();
        let other = code_of(other_than(self.language));
        let other_url = format!("{CHECKOUT_PATH}{}?language={other}", self.seen.link.as_str());
        page(PageSetting {
            language: self.language,
            face: &face,
            nonce: nonce.as_ref(),
            framing: &framing,
            world: self.api.host().world,
            transport: self.api.host().transport,
            other_language_url: Some(&other_url),
        })
    }

    /// To the page as it is now.
    fn look_again(&self) -> Response {
        see_other(&self.url(""))
    }

    /// Takes a form.
    async fn take(&self, asked: Asked, form: &Message, arrival: &Arrival) -> Response {
        match asked {
            Asked::Card => self.take_card(form, arrival).await,
            Asked::Browser => {
                let event = ThreeDsEvent::Browser(browser_of(self.api, form, arrival));
                self.take_event(event).await;
                self.look_again()
            }
            Asked::Method => {
                let data = form.text("threeDSMethodData").unwrap_or_default();
                if let Ok(id) = read_method_notification(&data) {
                    self.take_event(ThreeDsEvent::MethodDone(id)).await;
                }
                self.step_over(StepOver::Method)
            }
            Asked::Challenged => {
                let cres = form.text("cres").unwrap_or_default().into_owned();
                self.take_event(ThreeDsEvent::ChallengeReturned(cres)).await;
                self.step_over(StepOver::Challenge)
            }
            Asked::Page | Asked::Cancel => self.look_again(),
        }
    }

    async fn take_event(&self, event: ThreeDsEvent) {
        if let Err(Refused { refusal, .. }) = self.api.gateway().three_ds_event(&self.seen, event).await {
            log(&self.seen.account, &refusal);
        }
    }

    /// The end of a step that ran in a frame of ours: the page around it goes on.
    fn step_over(&self, over: StepOver) -> Response {
        let go_on_url = self.url("");
        self.shown_in(framing_inside(&self.seen, self.target().as_deref()), |setting| {
            notification_page(&NotificationPage { setting, over, go_on_url: &go_on_url })
        })
    }

    /// Takes what the customer has typed.
    async fn take_card(&self, form: &Message, arrival: &Arrival) -> Response {
        let read = match &self.seen.kept {
            Some(token) => read_code(form, token.card.brand),
            None => read_card(form, &self.seen),
        };
        let remember_me = match self.save_offer(false) {
            SaveOffer::NotOffered => None,
            _ if form.text(field::REMEMBER_ME).as_deref() == Some("YES") => Some(RememberMe::Yes),
            _ => Some(RememberMe::No),
        };
        let mut sent_back = SentBack {
            expiry: form.text(field::EXPIRY_DATE).unwrap_or_default().into_owned(),
            holder: form.text(field::HOLDER_NAME).unwrap_or_default().into_owned(),
            ticked: remember_me == Some(RememberMe::Yes),
            ..SentBack::default()
        };
        let card = match read {
            Ok(card) => card,
            Err(faults) => {
                sent_back.faults = faults;
                return self.page(Some(&sent_back));
            }
        };
        match self
            .api
            .gateway()
            .submit_card(Arc::clone(&self.seen), Typed { card, remember_me }, Some(browser_of(self.api, form, arrival)))
            .await
        {
            Ok(()) => self.look_again(),
            Err(Refused { refusal, .. })
                if [refused::STILL_PROCESSING, refused::ALREADY_PROCESSED].contains(&refusal.code) =>
            {
                self.look_again()
            }
            Err(Refused { refusal, .. }) => {
                log(&self.seen.account, &refusal);
                match fault_of(&refusal) {
                    Some(fault) => sent_back.faults.push(fault),
                    None => sent_back.notice = Some(Notice::Unavailable),
                }
                self.page(Some(&sent_back))
            }
        }
    }
}

/// A whole card out of the form.
fn read_card(form: &Message, seen: &SeenCheckout) -> Result<TypedCard, Vec<Fault>> {
    let text = |name: &str| form.text(name).unwrap_or_default();
    let mut faults = Vec::new();
    let number = typed_card_number(&text(field::CARD_NUMBER));
    let brand = number.as_ref().ok().and_then(|number| tollgate_core::bin::brand_of(number.reveal()));
    let number = match number {
        Ok(_) if !brand.is_some_and(|brand| brands_of(seen).contains(&brand)) => {
            faults.push(Fault::BrandNotTaken);
            None
        }
        other => keep_fault(other, &mut faults),
    };
    let expiry = keep_fault(typed_expiry(&text(field::EXPIRY_DATE)), &mut faults);
    if expiry.is_some_and(|expiry| expiry.is_past(seen.seen_at)) {
        faults.push(Fault::ExpiryPast);
    }
    let code = keep_fault(typed_code(&text(field::SECURITY_CODE), brand), &mut faults);
    let holder = keep_fault(typed_holder(&text(field::HOLDER_NAME)), &mut faults);
    match (number, expiry, code, holder) {
        (Some(number), Some(expiry), Some(code), Some(holder)) if faults.is_empty() => {
            Ok(TypedCard::whole(number, expiry, &code, holder))
        }
        _ => Err(faults),
    }
}

/// The security code of a card that is kept.
fn read_code(form: &Message, brand: Brand) -> Result<TypedCard, Vec<Fault>> {
    let text = form.text(field::SECURITY_CODE).unwrap_or_default();
    let code: Secret = typed_code(&text, Some(brand)).map_err(|fault| vec![fault])?;
    Ok(TypedCard::code(&code))
}

fn keep_fault<T>(read: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

/// What of a refusal the customer can mend.
fn fault_of(refusal: &Refusal) -> Option<Fault> {
    match refusal.parameter.as_deref()? {
        "card_number" if refusal.code == refused::INVALID_CARD_NUMBER => Some(Fault::NumberMistyped),
        "payment_option" | "card_number" | "command" => Some(Fault::BrandNotTaken),
        "expiry_date" if refusal.code == refused::CARD_EXPIRED => Some(Fault::ExpiryPast),
        "expiry_date" => Some(Fault::ExpiryUnreadable),
        "card_security_code" => Some(Fault::CodeMissing),
        "card_holder_name" => Some(Fault::HolderUnfit),
        _ => None,
    }
}

fn notice_of(code: ResponseCode) -> Notice {
    match code.message() {
        message::INSUFFICIENT_FUNDS => Notice::InsufficientFunds,
        message::AUTHENTICATION_FAILED => Notice::NotAuthenticated,
        message::TECHNICAL_PROBLEM => Notice::Unavailable,
        _ => Notice::Declined,
    }
}

/// The brands that can be paid with here.
fn brands_of(seen: &SeenCheckout) -> Vec<Brand> {
    let brands = seen.account.merchant.terms.payment_options.clone();
    match &seen.checkout.purpose {
        Purpose::Pay(pay) => fitting(brands, pay.kind, pay.payment_option.as_deref()),
        Purpose::Tokenize(_) => brands,
    }
}

/// The brands that can be paid with by a payment link.
pub(crate) fn brands_of_link(seen: &SeenLink) -> Vec<Brand> {
    let brands = seen.account.merchant.terms.payment_options.clone();
    fitting(brands, seen.link.kind, seen.link.payment_option.as_deref())
}

fn fitting(mut brands: Vec<Brand>, kind: PayKind, option: Option<&str>) -> Vec<Brand> {
    brands.retain(|brand| kind == PayKind::Purchase || !brand.is_purchase_only());
    brands.retain(|brand| option.is_none_or(|option| brand.name() == option));
    brands
}

/// Who may frame the page: of a redirection nobody; else the origins that the merchant has registered, or where it has
/// none, that of the `return_url` that it signed.
fn framing_of(seen: &SeenCheckout, target: Option<&str>) -> Framing {
    if matches!(seen.order.as_ref().map(|order| order.channel), Some(tollgate_core::feedback::Channel::Redirection)) {
        return Framing::Nobody;
    }
    let registered = &seen.account.merchant.terms.channel.page.frame_ancestors;
    if !registered.is_empty() {
        return Framing::Merchant(registered.clone());
    }
    match target.and_then(WebOrigin::of_url) {
        Some(origin) => Framing::Merchant(vec![origin]),
        None => Framing::Nobody,
    }
}

/// Who may frame what stands in a frame of our own page: that page, and whoever may frame it.
fn framing_inside(seen: &SeenCheckout, target: Option<&str>) -> Framing {
    match framing_of(seen, target) {
        Framing::Merchant(origins) => Framing::Gateway(origins),
        Framing::Nobody | Framing::Gateway(_) | Framing::Anybody => Framing::Gateway(Vec::new()),
    }
}

/// The language of the merchant's request.
fn language_of(seen: &SeenCheckout) -> Language {
    Language::of(seen.checkout.params.get("language"))
}

pub(crate) fn language_of_query(query: Option<&str>) -> Option<Language> {
    let pairs = form_urlencoded::parse(query?.as_bytes());
    let value = pairs.filter(|(name, _)| name == "language").map(|(_, value)| value.into_owned()).next()?;
    matches!(value.as_str(), "en" | "ar").then(|| Language::of(Some(&value)))
}

pub(crate) const fn other_than(language: Language) -> Language {
    match language {
        Language::English => Language::Arabic,
        Language::Arabic => Language::English,
    }
}

pub(crate) const fn code_of(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Arabic => "ar",
    }
}

/// A redirect to a path of ours, by GET.
pub(crate) fn see_other(path: &str) -> Response {
    let mut response = Response::new(AnswerBody::whole(""));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(path) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn not_found(api: &PaymentApi) -> Response {
    plain_page(api, Told::SessionEnded)
}

fn unavailable(api: &PaymentApi, refusal: &Refusal) -> Response {
    tracing::error!(code = %refusal.code, guilty = %refusal.guilty, detail = %refusal.detail, "a checkout failed");
    plain_page(api, Told::Unavailable)
}

fn plain_page(api: &PaymentApi, told: Told<'_>) -> Response {
    let nonce = Nonce::draw();
    let setting = PageSetting {
        language: Language::English,
        face: &Face::default(),
        nonce: nonce.as_ref(),
        framing: &Framing::Anybody,
        world: api.host().world,
        transport: api.host().transport,
        other_language_url: None,
    };
    told_page(&ToldPage { setting, told })
}

pub(crate) fn log(account: &Account, refusal: &Refusal) {
    tracing::info!(
        merchant = account.merchant.name,
        code = %refusal.code,
        guilty = %refusal.guilty,
        parameter = refusal.parameter.as_deref().unwrap_or_default(),
        detail = %refusal.detail,
        "refused on the page"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_languages_that_there_are_can_be_asked_for() {
        assert_eq!(language_of_query(Some("language=ar")), Some(Language::Arabic));
        assert_eq!(language_of_query(Some("a=b&language=en")), Some(Language::English));
        for query in ["", "language=", "language=fr", "lang=ar"] {
            assert_eq!(language_of_query(Some(query)), None, "{query}");
        }
        assert_eq!(language_of_query(None), None);
    }
}
