//! The demo shop of `serve --dev`, at `/demo` on the merchant address: a shop like any merchant's, that shows what
//! passes between it and the gateway.
//!
//! It knows what a merchant knows (an access code and two phrases) and goes the ways that a merchant goes: its server
//! posts to the payment API of the gateway around which it stands ([`server_call`]), its customer's browser posts
//! signed forms to the payment page and comes back to `/demo/return`, and it hears feedback as `tollgate listen` does
//! ([`hearing`]). Nobody can type a card number into anything that is posted to it: its own card form goes from the browser to
//! the gateway, and what its server sends are the test numbers of the sandbox, chosen from a list.
//!
//! A production gateway has no such shop: it is wired in a sandbox only.

mod cart;
mod hearing;
mod history;
mod merchant;
mod page;
mod passed;
mod plan;
mod returning;
mod server_call;
mod starting;
mod test_cards;
mod visitor;
mod web;

use cart::Cart;
use hearing::Hearing;
use history::History;
use http::{Method, StatusCode};
use merchant::DemoMerchant;
use page::Seen;
use plan::Plan;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use test_cards::TestCard;
use tollgate_app::Gateway;
use tollgate_feedback::Listeners;
use tollgate_fort::text::Language;
use tollgate_http::{Peer, Request, Response, Service};
use visitor::Visitor;
use web::Asked;

/// Where the shop is.
pub const PATH: &str = "/demo";
/// Where the gateway sends the customer back to.
const RETURN_PATH: &str = "/demo/return";

/// The shop, and around what it stands.
pub struct DemoShop {
    inner: Arc<dyn Service>,
    gateway: Gateway,
    history: Arc<History>,
    hearing: Hearing,
    cards: Vec<TestCard>,
    wiring: ShopWiring,
}

/// What the shop has to know of the gateway's start.
#[derive(Clone, Debug)]
pub struct ShopWiring {
    /// `http` or `https`: how browsers reach it.
    pub scheme: &'static str,
    /// What a command of the binary needs behind its name to find this gateway, with a blank in front: nothing, or
    /// ` --data FOLDER`.
    pub data_argument: String,
}

impl DemoShop {
    /// A shop in front of `inner`, the service of `gateway`.
    #[must_use]
    pub fn around(
        inner: Arc<dyn Service>,
        gateway: Gateway,
        listeners: Arc<Listeners>,
        wiring: ShopWiring,
    ) -> Arc<DemoShop> {
        let history = Arc::new(History::default());
        let hearing = Hearing::new(listeners, gateway.clone(), history.clone());
        let cards = test_cards::all();
        Arc::new(DemoShop { inner, gateway, history, hearing, cards, wiring })
    }

    async fn answer(self: Arc<Self>, request: Request, peer: IpAddr) -> Response {
        let asked = match Asked::read(request, peer).await {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        if let Some(file) = web::file(&asked) {
            return file;
        }
        let (visitor, is_new) = match Visitor::of(&asked.headers) {
            Some(visitor) => (Some(visitor), IsNew::No),
            None => (Visitor::make(), IsNew::Yes),
        };
        let Some(visitor) = visitor else {
            return web::unavailable("the system gives no randomness; try again");
        };
        let mut response = self.routed(&asked, &visitor).await;
        if is_new == IsNew::Yes {
            visitor.introduce(&mut response, self.wiring.scheme);
        }
        response
    }

    async fn routed(&self, asked: &Asked, visitor: &Visitor) -> Response {
        let merchant = match DemoMerchant::of(&self.gateway).await {
            Ok(merchant) => merchant,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the demo shop is closed");
                return web::unavailable("the demo merchant is not there; a fresh data folder has it");
            }
        };
        let path = asked.path.strip_prefix(PATH).unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        match (&asked.method, path) {
            (&Method::GET | &Method::HEAD, "") => self.front(asked, visitor, &merchant, None),
            (&Method::POST, "/start") => self.start(asked, visitor, merchant).await,
            (&Method::GET | &Method::HEAD | &Method::POST, "/return") => self.come_back(asked, visitor, merchant).await,
            (method, path) => match path.strip_prefix("/try/") {
                Some(rest) => match (method, rest.split_once('/')) {
                    (&Method::GET | &Method::HEAD, None) => self.show(asked, visitor, &merchant, rest),
                    (&Method::POST, Some((reference, "do"))) => {
                        self.maintain(asked, visitor, merchant, reference).await
                    }
                    _ => self.not_found(asked.language()),
                },
                None => self.not_found(asked.language()),
            },
        }
    }

    /// The shop's first page; with what was wrong with the form that was sent, if there was one.
    fn front(
        &self,
        asked: &Asked,
        visitor: &Visitor,
        merchant: &DemoMerchant,
        wrong: Option<(Cart, plan::Wrong)>,
    ) -> Response {
        let Some(currencies) = merchant.currencies() else {
            return web::unavailable(
                "the demo merchant takes no currency that the shop has prices in; \
                                     `tollgate merchant set demo --currencies AED` lets it",
            );
        };
        let (cart, wrong) = match wrong {
            Some((cart, wrong)) => (cart, Some(wrong)),
            None => (Cart::of(|name| asked.query_value(name), &currencies), None),
        };
        let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let page = page::front(&page::Front {
            language: asked.language(),
            asked,
            cart: &cart,
            currencies: &currencies,
            cards: &self.cards,
            tokens: &self.history.tokens_of(visitor),
            tries: &self.history.summaries_of(visitor),
            wrong,
        });
        web::html(status, page, web::Powers::Own)
    }

    /// One try, as its visitor sees it.
    fn show(&self, asked: &Asked, visitor: &Visitor, merchant: &DemoMerchant, reference: &str) -> Response {
        let Some(one) = self.history.of_visitor(reference, visitor) else { return self.not_found(asked.language()) };
        let form =
            one.is_to_post().then(|| self.form_of(&one.plan, reference, &asked.origin(self.wiring.scheme), merchant));
        let page = page::one_try(&Seen {
            language: asked.language(),
            one: &one,
            form: form.as_ref(),
            cards: &self.cards,
            expiry: &test_cards::usual_expiry(self.gateway.now()),
            data_argument: &self.wiring.data_argument,
        });
        web::html(StatusCode::OK, page.html, page.powers)
    }

    /// The form with which the browser goes to the gateway.
    fn form_of(&self, plan: &Plan, reference: &str, origin: &str, merchant: &DemoMerchant) -> merchant::Signed {
        merchant.signed(plan.form_params(reference, &format!("{origin}{RETURN_PATH}")), plan.form_unsigned())
    }

    fn not_found(&self, language: Language) -> Response {
        web::html(StatusCode::NOT_FOUND, page::not_found(language), web::Powers::Own)
    }
}

/// Whether a visitor has just been made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsNew {
    Yes,
    No,
}

impl Service for DemoShop {
    fn call(self: Arc<Self>, request: Request, peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let path = request.uri().path();
        let is_ours = path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !is_ours {
            return Arc::clone(&self.inner).call(request, peer);
        }
        Box::pin(self.answer(request, peer.address))
    }
}
