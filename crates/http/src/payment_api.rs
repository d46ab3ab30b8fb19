//! `POST /FortAPI/paymentApi`: from bytes to a signed answer; and what [`crate::payment_page`] does as well.
//!
//! The order in which things are looked at: body, account by access code, merchant identifier, account
//! active, signature, where it came from, command, parameters, and then the use case. Whatever a FORT client can be told
//! is told with HTTP 200; only its JSON says no.

use crate::Request;
use crate::answer::{AnswerBody, Response, plain};
use crate::batch_results;
use crate::body::{self, Body};
use crate::checkout::{self, CHECKOUT_PATH};
use crate::pages::assets::{ASSETS_PATH, Asset, REPORTS_PATH, logo_response, script_response};
use crate::pages::reports::PageReports;
use crate::pages::view::{Transport, World};
use crate::payment_link::{self, PAY_PATH};
use crate::payment_page;
use crate::report_download;
use crate::scope_watch::ScopeWatch;
use crate::server::Service as HttpService;
use crate::source::{Arrival, Peer, ProxySettings, SourceGuard};
use crate::stray::stray_in_head;
use crate::three_ds::{self, RESULTS_PATH};
use crate::upload::{self, UploadDoor, Uploaded};
use http::{Method, StatusCode, header};
use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use tollgate_app::{
    Account, BatchTold, CheckoutLink, Counted, Gateway, PUBLISHED_KEYS_CACHED_SECONDS_MAX, Refused, ReportDesk,
    ReportDownload, ReportSettings, ReportTold,
};
use tollgate_core::answer::Answer;
use tollgate_core::batch::{BatchCall, BatchCommand};
use tollgate_core::channel::StrayCardNumbers;
use tollgate_core::code::refused;
use tollgate_core::command::SafeParams;
use tollgate_core::feedback::FeedbackFormat;
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::Credential;
use tollgate_core::refusal::{Guilty, Refusal};
use tollgate_core::shown::harmless;
use tollgate_fort::command::{Request as FortRequest, mask_card_numbers, safe_params, stray_card_numbers};
use tollgate_fort::explain::{Finding, explain};
use tollgate_fort::feedback_body;
use tollgate_fort::message::{BODY_BYTES_MAX, Message};
use tollgate_fort::recut::{Author, recut_name};
use tollgate_fort::report_file;
use tollgate_fort::response::{self, Echo, Fields};
use tollgate_fort::service::{self, Endpoint, Service};
use tollgate_fort::signature;
use tollgate_fort::text::Language;
use tollgate_store::{Batch, RefusalRow};

/// Where the keys are published that card data is encrypted to.
const KEYS_PATH: &str = "/.well-known/tollgate/jwks.json";
/// How many signature mismatches a second are explained at once; it is a search and takes milliseconds.
const EXPLAINED_PER_SECOND_MAX: u32 = 1;
/// The most parameters of a message that is explained at once: the search grows with them.
const EXPLAINED_PARAMS_MAX: usize = 48;
/// How many characters of a value from outside go into a log line.
const VALUE_LOGGED_CHARS_MAX: usize = 60;

/// The FORT payment API of a gateway.
pub struct PaymentApi {
    gateway: Gateway,
    guard: SourceGuard,
    host: PageHost,
    uploads: UploadDoor,
    reports: PageReports,
    desk: ReportDesk,
    scope: ScopeWatch,
    explained: Explained,
    answers_counted: Counted<String>,
}

impl PaymentApi {
    /// The API of `gateway`, behind these proxies if there are any, with its pages and the door for uploads.
    #[must_use]
    pub fn new(gateway: Gateway, proxies: ProxySettings, host: PageHost, uploads: UploadDoor) -> PaymentApi {
        let guard = SourceGuard::new(proxies);
        let desk = report_desk(&gateway, ReportSettings::default());
        PaymentApi {
            gateway,
            guard,
            host,
            uploads,
            reports: PageReports::default(),
            desk,
            scope: ScopeWatch::default(),
            explained: Explained::default(),
            answers_counted: Counted::default(),
        }
    }

    /// The same with other limits of reports.
    #[must_use]
    pub fn with_report_settings(mut self, settings: ReportSettings) -> PaymentApi {
        self.desk = report_desk(&self.gateway, settings);
        self
    }

    async fn answer(&self, request: Request, peer: Peer) -> Response {
        let stray = stray_in_head(&request);
        let path = request.uri().path();
        let endpoint = Endpoint::of_path(path);
        if stray.is_some() && (endpoint.is_none() || request.method() != Method::POST) {
            // Nobody is named who could be told.
            count_strays("unknown", 1, stray.as_deref().unwrap_or_default());
        }
        // Apart, here and below: each call would carry the memory of the largest of them within its own future.
        if path == KEYS_PATH {
            return Box::pin(self.published_keys(request.method())).await;
        }
        match endpoint {
            None => return Box::pin(self.page_of_our_own(request, peer)).await,
            Some(Endpoint::PaymentPage) => return Box::pin(payment_page::answer(self, request, peer, stray)).await,
            Some(Endpoint::Upload) => return Box::pin(upload::answer(self, request, peer, stray)).await,
            Some(Endpoint::PaymentApi | Endpoint::BatchApi | Endpoint::ReportingApi) => {}
        }
        if request.method() != Method::POST {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "Tollgate: the FORT payment API takes POST with a JSON body\n",
            );
        }
        let form = is_form(&request);
        let mut format = FeedbackFormat::Json;
        let (head, body) = request.into_parts();
        let arrival = Arrival { peer, headers: head.headers };
        let from = match endpoint {
            Some(Endpoint::BatchApi) => CameFrom::BatchCaller(&arrival),
            Some(Endpoint::ReportingApi) => CameFrom::ReportCaller(&arrival),
            _ => CameFrom::Server(&arrival),
        };
        let fields = match body::read(body, BODY_BYTES_MAX).await {
            Body::Whole(bytes) => {
                let parsed = if form { Message::from_form(&bytes) } else { Message::from_json(&bytes) };
                drop(bytes);
                match parsed {
                    Ok(message) => {
                        format = answer_format(&message);
                        let mut told = self.told(&message, stray, from).await;
                        if let Some(batch) = told.results.take() {
                            let language = service::identify(&message).language;
                            return batch_results::response(&self.gateway, *batch, language);
                        }
                        if let Some(report) = told.report.take() {
                            return report_download::response(*report);
                        }
                        told.signed()
                    }
                    Err(fault) => unreadable(&fault.to_string()),
                }
            }
            Body::TooLarge => unreadable("the body is larger than 64 KiB"),
            Body::Broken => unreadable("the body did not arrive in whole"),
        };
        self.count(&fields);
        written(&fields, format)
    }

    /// What is no endpoint of FORT's: a checkout, what its page loads, and what browsers report of it.
    async fn page_of_our_own(&self, request: Request, peer: Peer) -> Response {
        let path = request.uri().path();
        if path.starts_with(CHECKOUT_PATH) {
            return Box::pin(checkout::answer(self, request, peer)).await;
        }
        if path.starts_with(PAY_PATH) {
            return Box::pin(payment_link::answer(self, request, peer)).await;
        }
        if path.starts_with(RESULTS_PATH) {
            return Box::pin(three_ds::results(self, request)).await;
        }
        if path == REPORTS_PATH {
            return self.reports.take(request, self.gateway.now()).await;
        }
        if path.starts_with(ASSETS_PATH) {
            return self.asset(request.method(), path).await;
        }
        plain(StatusCode::NOT_FOUND, "Tollgate: the FORT payment API is POST /FortAPI/paymentApi\n")
    }

    /// The gateway behind it.
    pub(crate) const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// How its pages are served.
    pub(crate) const fn host(&self) -> &PageHost {
        &self.host
    }

    /// The door for uploads.
    pub(crate) const fn uploads(&self) -> &UploadDoor {
        &self.uploads
    }

    /// The address of a browser.
    pub(crate) fn address_of(&self, arrival: &Arrival) -> Option<IpAddr> {
        self.guard.address_of(arrival)
    }

    /// What our pages load: the script, a merchant's logo.
    async fn asset(&self, method: &Method, path: &str) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Tollgate: assets are read with GET\n");
        }
        let found = match Asset::parse(path) {
            None => None,
            Some(Asset::Script) => Some(script_response()),
            Some(Asset::Logo { merchant, hash }) => match self.gateway.merchant_logo(MerchantId(merchant)).await {
                Ok(logo) => logo.and_then(|logo| logo_response(logo, hash)),
                Err(error) => {
                    tracing::error!(%error, "a merchant's logo cannot be read");
                    return plain(StatusCode::SERVICE_UNAVAILABLE, "Tollgate: the logo cannot be read now\n");
                }
            },
        };
        found.unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "Tollgate: there is no such asset\n"))
    }

    /// The public keys for card data, as a JWK Set (RFC 7517).
    async fn published_keys(&self, method: &Method) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Tollgate: the keys are read with GET\n");
        }
        match self.gateway.channel_keys().published().await {
            Ok(keys) => {
                let mut response = crate::answer::json(StatusCode::OK, &serde_json::json!({ "keys": *keys }));
                let cached = format!("public, max-age={PUBLISHED_KEYS_CACHED_SECONDS_MAX}");
                if let Ok(cached) = header::HeaderValue::from_str(&cached) {
                    response.headers_mut().insert(header::CACHE_CONTROL, cached);
                }
                response
            }
            Err(error) => {
                tracing::error!(%error, "the keys of the encrypted channel cannot be read or made");
                plain(StatusCode::SERVICE_UNAVAILABLE, "Tollgate: the keys cannot be read now; try again\n")
            }
        }
    }

    /// Counts an answer by its code.
    pub(crate) fn count(&self, fields: &Fields) {
        let code = fields.get("response_code").unwrap_or_default();
        let look_up = || metrics::counter!("tollgate_answers_total", "code" => code.to_owned());
        self.answers_counted.count(code, look_up);
    }

    /// Does what a message asks for, as far as it may be asked for by whom it came from; what there is to tell.
    pub(crate) async fn told(
        &self,
        message: &Message,
        stray_in_head: Option<Cow<'static, str>>,
        from: CameFrom<'_>,
    ) -> Told {
        let identity = service::identify(message);
        let account = match self.account(identity.access_code.as_deref()).await {
            Ok(account) => account,
            Err(refusal) => {
                log_refusal(None, message, &refusal);
                let answer = Answer::bare(refusal.code);
                return Told::nobody(refuse_anyone(message, &answer, identity.language));
            }
        };
        let access_code = identity.access_code.as_deref().unwrap_or_default();
        // The directory found the account by this access code, so the credential is there.
        let Some(place) = account.merchant.credentials.iter().position(|known| known.access_code == access_code) else {
            let answer = Answer::bare(refused::INVALID_ACCESS_CODE);
            return Told::nobody(refuse_anyone(message, &answer, identity.language));
        };
        let service = Service::of(message);
        let proven = match account.merchant.credentials.get(place) {
            Some(credential) => self.prove(message, &identity, &account, credential, service.as_ref().ok().copied()),
            None => Err(Refusal::request(refused::INVALID_ACCESS_CODE, "access_code", "it is unknown")),
        };
        let author = if proven.is_ok() { Author::Merchant } else { Author::Anyone };
        let outcome = match proven {
            Ok(()) => {
                let asked = Asked { message, access_code, from, stray_in_head };
                self.carry_out(asked, &account, service.clone()).await
            }
            Err(refusal) => Err(refusal.into()),
        };
        let service = service.ok();
        let (mut page, mut results, mut report) = (None, None, None);
        let fields = match outcome {
            Ok(Done::Answer(answer)) => response::render(service, Echo::Request(message), &answer, identity.language),
            Ok(Done::Page(link)) => {
                page = Some(link);
                Fields::none()
            }
            Ok(Done::Results(batch)) => {
                results = Some(batch);
                Fields::none()
            }
            Ok(Done::Report(download)) => {
                report = Some(download);
                Fields::none()
            }
            Err(refused) => {
                log_refusal(Some(&account), message, &refused.refusal);
                self.note(&account, message, &refused);
                render_refusal(service, message, author, &refused.answer(), identity.language)
            }
        };
        Told { fields, account: Some(ToldTo { account, credential: place }), page, results, report }
    }

    async fn account(&self, access_code: Option<&str>) -> Result<Arc<Account>, Refusal> {
        let unknown =
            || Refusal::request(refused::INVALID_ACCESS_CODE, "access_code", "no account has this access_code");
        let access_code = access_code.ok_or_else(unknown)?;
        match self.gateway.directory().by_access_code(access_code).await {
            Ok(account) => account.ok_or_else(unknown),
            Err(error) => {
                tracing::error!(%error, "the accounts cannot be read");
                Err(Refusal::of(refused::TECHNICAL_PROBLEM, Guilty::Us, "the accounts cannot be read"))
            }
        }
    }

    /// Whether the account's own merchant wrote the message, and may.
    fn prove(
        &self,
        message: &Message,
        identity: &service::Identity<'_>,
        account: &Account,
        credential: &Credential,
        service: Option<Service>,
    ) -> Result<(), Refusal> {
        if !(identity.merchant_identifier.is_none()
            && service.is_some_and(|service| service.may_omit_merchant(message)))
        {
            merchant_fits(identity, account)?;
        }
        merchant_active(account)?;
        self.signature_fits(message, credential, service)
    }

    /// Does what a message asks for that the merchant wrote.
    async fn carry_out(
        &self,
        asked: Asked<'_>,
        account: &Arc<Account>,
        service: Result<Service, Refusal>,
    ) -> Result<Done, Refused> {
        let message = asked.message;
        if let Some(arrival) = asked.from.arrival() {
            self.guard.judge(account, message, arrival, self.gateway.now())?;
            self.scope.watch(account, message, self.gateway.now());
        }
        free_of_stray_card_numbers(account, message, asked.stray_in_head)?;
        let service = service?;
        let endpoint = asked.from.endpoint();
        if endpoint != Endpoint::PaymentPage {
            service.at(endpoint)?;
        }
        let request = FortRequest::parse(service, message)?;
        service.at(endpoint)?;
        if let CameFrom::Browser(customer) = asked.from {
            return Box::pin(self.carry_out_of_browser(asked.message, asked.access_code, customer, account, request))
                .await;
        }
        let answer = match request {
            FortRequest::Pay(command) => self.gateway.pay(Arc::clone(account), *command).await,
            FortRequest::Maintain(command) => self.gateway.maintain(Arc::clone(account), *command).await,
            FortRequest::Status(command) => Ok(self.gateway.check_status(account, &command).await),
            FortRequest::VerificationStatus(command) => Ok(self.gateway.check_verification(account, &command).await),
            FortRequest::UpdateToken(command) => self.gateway.update_token(account, &command).await,
            FortRequest::ListTokens(command) => self.gateway.list_tokens(account, &command).await,
            FortRequest::Batch(command) => {
                return Box::pin(self.carry_out_of_batch(message, asked.access_code, asked.from, account, *command))
                    .await;
            }
            FortRequest::PaymentLink(command) => {
                Box::pin(self.gateway.create_payment_link(account, asked.access_code, &command)).await
            }
            FortRequest::LinkStatus(command) => Ok(Box::pin(self.gateway.check_payment_link(account, &command)).await),
            FortRequest::UpdateLink(command) => Box::pin(self.gateway.update_payment_link(account, &command)).await,
            FortRequest::UpdateAgreement(command) => Box::pin(self.gateway.update_agreement(account, &command)).await,
            FortRequest::CheckAgreement(command) => self.gateway.check_agreement(account, &command).await,
            FortRequest::Report(command) => {
                return Ok(match self.desk.carry_out(account, *command).await? {
                    ReportTold::Answer(answer) => Done::Answer(*answer),
                    ReportTold::File(download) => Done::Report(download),
                });
            }
            // It goes to the page alone.
            FortRequest::Tokenize(command) => Box::pin(self.gateway.tokenize(account, *command)).await,
        };
        answer.map(Done::Answer)
    }

    async fn carry_out_of_batch(
        &self,
        message: &Message,
        access_code: &str,
        from: CameFrom<'_>,
        account: &Arc<Account>,
        command: BatchCommand,
    ) -> Result<Done, Refused> {
        match (command.call, from) {
            (BatchCall::Upload, CameFrom::Upload(uploaded)) => {
                upload::receive(&self.gateway, account, access_code, command, message, uploaded).await.map(Done::Answer)
            }
            (BatchCall::Results, _) => Ok(match self.gateway.batch_results(account, &command).await? {
                BatchTold::Answer(answer) => Done::Answer(*answer),
                BatchTold::Results(batch) => Done::Results(batch),
            }),
            (BatchCall::Process, _) => self.gateway.process_batch(account, &command).await.map(Done::Answer),
            (BatchCall::Upload, _) => {
                let detail = "a file comes to the endpoint of uploads alone";
                Err(Refusal::request(refused::INVALID_COMMAND, "service_command", detail).into())
            }
        }
    }

    /// Does what a form asks for that the merchant signed and the customer's browser posted.
    async fn carry_out_of_browser(
        &self,
        message: &Message,
        access_code: &str,
        customer: Option<IpAddr>,
        account: &Arc<Account>,
        request: FortRequest,
    ) -> Result<Done, Refused> {
        payment_page::return_target(account, message).ok_or_else(payment_page::nowhere_to_return)?;
        match request {
            FortRequest::Pay(mut command) => {
                if let (Some(customer), None) = (customer, command.params.get("customer_ip")) {
                    command.params.push(SafeParams::CUSTOMER_IP_SEEN, &customer.to_string());
                }
                self.gateway.open_payment_page(account, access_code, &command).await.map(Done::Page)
            }
            FortRequest::Tokenize(command) if command.card.is_none() => {
                let params = safe_params(message);
                self.gateway.open_token_page(account, access_code, &command, &params).await.map(Done::Page)
            }
            FortRequest::Tokenize(command) => self.gateway.tokenize(account, *command).await.map(Done::Answer),
            _ => {
                let detail = "there is no page for it";
                Err(Refusal::request(refused::INVALID_COMMAND, "command", detail).into())
            }
        }
    }

    fn signature_fits(
        &self,
        message: &Message,
        credential: &Credential,
        service: Option<Service>,
    ) -> Result<(), Refusal> {
        let exclude = service.map_or(&[][..], Service::signature_exclude);
        if signature::verify(message, exclude, &credential.request_phrases, credential.sha_type).is_match() {
            return Ok(());
        }
        // Some clients sign the name of the file too.
        if service == Some(Service::UploadBatchFile)
            && signature::verify(message, &[], &credential.request_phrases, credential.sha_type).is_match()
        {
            return Ok(());
        }
        let detail: Cow<'static, str> =
            if message.len() <= EXPLAINED_PARAMS_MAX && self.explained.may_explain(self.gateway.now().unix_seconds()) {
                let why = why(&explain(message, exclude, credential).finding);
                // It may name parameters, which the client named.
                format!("the signature differs. {}", harmless(&mask_card_numbers(&why))).into()
            } else {
                "the signature differs; see `tollgate sign --explain`".into()
            };
        Err(Refusal::request(refused::SIGNATURE_MISMATCH, "signature", detail))
    }

    /// Keeps a refused request for the explainer.
    fn note(&self, account: &Account, message: &Message, refused: &Refused) {
        let request = noted_params(message);
        let text = |name: &str| request.get(name).map(str::to_owned);
        let command = ["command", "query_command", "service_command"].into_iter().find_map(text).unwrap_or_default();
        let reference = refused.order.as_ref().map(|order| order.merchant_reference.clone());
        self.gateway.note_refusal(RefusalRow {
            at: self.gateway.now(),
            merchant: account.merchant.id,
            merchant_reference: reference.or_else(|| text("merchant_reference")),
            fort_id: refused.order.as_ref().map(|order| order.fort_id),
            command,
            code: refused.refusal.code,
            guilty: refused.refusal.guilty,
            parameter: refused.refusal.parameter.as_deref().map(str::to_owned),
            detail: refused.refusal.detail.clone().into_owned(),
            request,
        });
    }
}

impl HttpService for PaymentApi {
    fn call(self: Arc<Self>, request: Request, peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(request, peer).await })
    }
}

fn merchant_fits(identity: &service::Identity<'_>, account: &Account) -> Result<(), Refusal> {
    if identity.merchant_identifier.as_deref() == Some(account.merchant.merchant_identifier.as_str()) {
        return Ok(());
    }
    let detail = "merchant_identifier is not the one of the access_code's account";
    Err(Refusal::request(refused::INVALID_MERCHANT_IDENTIFIER, "merchant_identifier", detail))
}

fn merchant_active(account: &Account) -> Result<(), Refusal> {
    if account.merchant.active {
        return Ok(());
    }
    let detail = "the account is switched off: `tollgate merchant set NAME --active yes` switches it on";
    Err(Refusal::of(refused::INACTIVE_MERCHANT, Guilty::MerchantConfiguration, detail))
}

/// A request that its merchant has signed.
struct Asked<'a> {
    message: &'a Message,
    access_code: &'a str,
    from: CameFrom<'a>,
    /// Where in the request's head a card number stands.
    stray_in_head: Option<Cow<'static, str>>,
}

/// From whom a message came, and so where it was posted to.
#[derive(Clone, Copy)]
pub(crate) enum CameFrom<'a> {
    /// The merchant's server: the payment API.
    Server(&'a Arrival),
    /// The same: the endpoint of batches.
    BatchCaller(&'a Arrival),
    /// The same: the endpoint of reports.
    ReportCaller(&'a Arrival),
    /// The same, with a file.
    Upload(&'a Uploaded),
    /// A customer's browser, which may come from anywhere: the payment page. With its address, where it is known.
    Browser(Option<IpAddr>),
}

impl<'a> CameFrom<'a> {
    const fn endpoint(self) -> Endpoint {
        match self {
            CameFrom::Server(_) => Endpoint::PaymentApi,
            CameFrom::BatchCaller(_) => Endpoint::BatchApi,
            CameFrom::ReportCaller(_) => Endpoint::ReportingApi,
            CameFrom::Upload(_) => Endpoint::Upload,
            CameFrom::Browser(_) => Endpoint::PaymentPage,
        }
    }

    /// How a merchant's server came.
    const fn arrival(self) -> Option<&'a Arrival> {
        match self {
            CameFrom::Server(arrival) | CameFrom::BatchCaller(arrival) | CameFrom::ReportCaller(arrival) => {
                Some(arrival)
            }
            CameFrom::Upload(uploaded) => Some(uploaded.arrival()),
            CameFrom::Browser(_) => None,
        }
    }
}

/// What came of a message that was carried out.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are answers, and a payment has no allocation to spare for a box"
)]
enum Done {
    /// There is an answer.
    Answer(Answer),
    /// The customer goes on at this checkout.
    Page(CheckoutLink),
    /// The results of this batch follow.
    Results(Box<Batch>),
    /// This report follows.
    Report(Box<ReportDownload>),
}

/// How the gateway's pages are served.
#[derive(Clone, Debug)]
pub struct PageHost {
    /// Whether money moves.
    pub world: World,
    /// How browsers reach the gateway.
    pub transport: Transport,
}

/// What there is to tell, not signed yet.
pub(crate) struct Told {
    pub(crate) fields: Fields,
    /// Whom; `None` when no account was found.
    pub(crate) account: Option<ToldTo>,
    /// Where the customer goes on, in place of an answer.
    pub(crate) page: Option<CheckoutLink>,
    /// The batch whose results are told, in place of an answer.
    pub(crate) results: Option<Box<Batch>>,
    /// The report that is told, in place of an answer.
    pub(crate) report: Option<Box<ReportDownload>>,
}

/// An account, and the place of its credential that the request named.
pub(crate) struct ToldTo {
    pub(crate) account: Arc<Account>,
    credential: usize,
}

impl Told {
    const fn nobody(fields: Fields) -> Told {
        Told { fields, account: None, page: None, results: None, report: None }
    }

    /// The fields with their signature, where there is a phrase to sign with.
    pub(crate) fn signed(self) -> Fields {
        let Told { fields, account: Some(to), .. } = self else { return self.fields };
        match to.account.merchant.credentials.get(to.credential) {
            Some(credential) => fields.sign(&credential.response_phrase, credential.sha_type),
            None => fields,
        }
    }
}

/// How many mismatches were explained in this second.
#[derive(Default)]
struct Explained {
    second: AtomicI64,
    count: AtomicU32,
}

impl Explained {
    fn may_explain(&self, second: i64) -> bool {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.count.store(0, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed) < EXPLAINED_PER_SECOND_MAX
    }
}

/// What was found out about a signature that differs, in one line.
fn why(finding: &Finding) -> String {
    match finding {
        Finding::Matches(_) => "It was right a moment ago: a phrase was changed.".to_owned(),
        Finding::NoSignature => "None was sent.".to_owned(),
        Finding::NoDigest { characters } => format!("What was sent is no digest: {characters} characters."),
        Finding::Found(causes) => causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Finding::NotFound(hints) => hints.first().cloned().unwrap_or_default(),
    }
}

/// The parameters for the diary: masked, those that name the account too, since a refused request may
/// have anything in them.
fn noted_params(message: &Message) -> SafeParams {
    let mut params = SafeParams::default();
    for param in safe_params(message).iter() {
        params.push(param.name, &mask_card_numbers(param.value));
    }
    params
}

/// Refuses a request with a card number where none belongs, before anything of it is kept. The merchant may be
/// set to have them counted only.
fn free_of_stray_card_numbers(
    account: &Account,
    message: &Message,
    in_head: Option<Cow<'static, str>>,
) -> Result<(), Refusal> {
    let strays = stray_card_numbers(message);
    let merchant = account.merchant.name.as_str();
    let place = match (strays, in_head) {
        (None, None) => return Ok(()),
        (Some(strays), _) => {
            count_strays(merchant, strays.count, &beginning(&strays.first));
            strays.first
        }
        (None, Some(place)) => {
            count_strays(merchant, 1, &place);
            place.into_owned()
        }
    };
    match account.merchant.terms.channel.stray_card_numbers {
        StrayCardNumbers::Count => Ok(()),
        StrayCardNumbers::Refuse => {
            let detail = "it holds a card number, which belongs into card_number and nowhere else. If it is none by \
                          chance, send it with a letter among its digits";
            Err(Refusal::request(refused::VALUE_NOT_ALLOWED, beginning(&place).into_owned(), detail))
        }
    }
}

/// Counts card numbers outside `card_number`: a reason to talk to the merchant.
fn count_strays(merchant: &str, count: u64, place: &str) {
    tracing::warn!(merchant, strays = count, first = place, "a request holds card numbers outside card_number");
    metrics::counter!("tollgate_stray_card_numbers_total", "merchant" => merchant.to_owned()).increment(count);
}

/// The answer to a refused request. It repeats what was sent, but for card numbers where none belongs and for what would
/// let its signature fit other parameters.
fn render_refusal(
    service: Option<Service>,
    message: &Message,
    author: Author,
    answer: &Answer,
    language: Language,
) -> Fields {
    match (stray_card_numbers(message), author) {
        (None, Author::Merchant) => response::render(service, Echo::Request(message), answer, language),
        (None, Author::Anyone) => response::render(service, Echo::Unproven(message), answer, language),
        (Some(_), author) => {
            let mut echoed = SafeParams::default();
            for param in noted_params(message).iter() {
                if recut_name(param.name, param.value, author).is_none() {
                    echoed.push(param.name, param.value);
                }
            }
            response::render(service, Echo::Kept(&echoed), answer, language)
        }
    }
}

/// The answer to a request of no account that is known.
fn refuse_anyone(message: &Message, answer: &Answer, language: Language) -> Fields {
    render_refusal(None, message, Author::Anyone, answer, language)
}

pub(crate) fn unreadable(why: &str) -> Fields {
    tracing::info!(code = %refused::INVALID_REQUEST_FORMAT, guilty = %Guilty::MerchantRequest, detail = why, "refused");
    response::unreadable(refused::INVALID_REQUEST_FORMAT)
}

fn log_refusal(account: Option<&Account>, message: &Message, refusal: &Refusal) {
    let merchant = account.map_or("unknown", |account| account.merchant.name.as_str());
    let reference = message.text("merchant_reference").unwrap_or_default();
    let reference = mask_card_numbers(&reference);
    tracing::info!(
        merchant,
        merchant_reference = %beginning(&reference),
        code = %refusal.code,
        guilty = %refusal.guilty,
        parameter = refusal.parameter.as_deref().unwrap_or_default(),
        detail = %refusal.detail,
        "refused"
    );
}

/// The beginning of a value from outside, as a log line may hold it.
fn beginning(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(VALUE_LOGGED_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    harmless(text.get(..end).unwrap_or(text))
}

pub(crate) fn is_form(request: &Request) -> bool {
    const FORM: &str = "application/x-www-form-urlencoded";
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.trim_start().get(..FORM.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(FORM))
}

fn report_desk(gateway: &Gateway, settings: ReportSettings) -> ReportDesk {
    ReportDesk::new(gateway.clone(), settings, |language| report_file::texts(Language::of(Some(language))))
}

/// JSON, but for GET_TOKENS and reports, whose clients may ask for XML.
fn answer_format(message: &Message) -> FeedbackFormat {
    let wants_xml = message.text("response_format").as_deref() == Some("XML");
    let may_be_xml = |service: Service| service == Service::GetTokens || service.endpoint() == Endpoint::ReportingApi;
    match wants_xml && Service::of(message).is_ok_and(may_be_xml) {
        true => FeedbackFormat::Xml,
        false => FeedbackFormat::Json,
    }
}

pub(crate) fn written(fields: &Fields, format: FeedbackFormat) -> Response {
    let mut response = Response::new(AnswerBody::whole(feedback_body::body(fields, format)));
    let headers = response.headers_mut();
    let content_type = feedback_body::content_type(format);
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
