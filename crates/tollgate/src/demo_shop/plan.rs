//! What a visitor wants to try: by which route, for how much, and with which requests.

use super::cart::Cart;
use super::history::SavedToken;
use super::test_cards::{self, TestCard};
use tollgate_core::money::Money;
use tollgate_core::time::Timestamp;
use tollgate_fort::service::Service;
use tollgate_fort::text::Language;

/// The customer of every payment.
const CUSTOMER_EMAIL: &str = "customer@example.org";

/// By which way the card comes to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The customer types it on the gateway's page.
    Redirection,
    /// The customer types it on the gateway's page in a frame of the shop's; the shop's server pays with the token.
    Standard,
    /// The customer types it in the shop's own form, which posts to the gateway; the shop's server pays with the token.
    Custom,
    /// The shop's server sends it.
    Trusted,
    /// The gateway has it already.
    Token,
    /// As [`Route::Custom`], to keep it for later: nothing is paid.
    Create,
}

impl Route {
    /// All of them, in the order of the page.
    pub const ALL: [Route; 6] =
        [Route::Redirection, Route::Standard, Route::Custom, Route::Trusted, Route::Token, Route::Create];

    /// Its name in forms.
    pub const fn name(self) -> &'static str {
        match self {
            Route::Redirection => "redirection",
            Route::Standard => "standard",
            Route::Custom => "custom",
            Route::Trusted => "trusted",
            Route::Token => "token",
            Route::Create => "create",
        }
    }
}

/// What becomes of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// It is taken at once.
    Purchase,
    /// It is held.
    Authorization,
}

impl Charge {
    /// Both of them.
    pub const ALL: [Charge; 2] = [Charge::Purchase, Charge::Authorization];

    /// The value of `command`.
    pub const fn command(self) -> &'static str {
        match self {
            Charge::Purchase => "PURCHASE",
            Charge::Authorization => "AUTHORIZATION",
        }
    }
}

/// Where the customer meets 3-D Secure after a call of the shop's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the whole window.
    Window,
    /// In a frame of the shop's.
    Frame,
}

/// Whether the gateway may ask for 3-D Secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreeDs {
    /// As the account is set: nothing is said.
    AsSet,
    /// It is switched off for this payment.
    Off,
}

/// Whether the card is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    /// Nothing is said.
    Unsaid,
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Whether a payment by token has a security code with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeSent {
    /// One that the sandbox takes.
    Yes,
    /// None.
    No,
}

/// What a visitor wants to try.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The way.
    pub route: Route,
    /// What becomes of the money.
    pub charge: Charge,
    /// The parameter `language`.
    pub language: Language,
    /// In which language the shop is looked at.
    pub shop_language: Language,
    /// What is to be paid.
    pub money: Money,
    /// Where 3-D Secure is met.
    pub place: Place,
    /// Whether there may be any.
    pub three_ds: ThreeDs,
    /// Whether the card is kept.
    pub remember: Remember,
    /// The place of the card in the list of test cards; for [`Route::Trusted`] it is there.
    pub card: usize,
    /// The token, for [`Route::Token`].
    pub token: Option<SavedToken>,
    /// Whether it has a security code with it.
    pub code: CodeSent,
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No button that the page has.
    Button,
    /// No amount of the currency, or nothing in the cart.
    Amount,
    /// No card of the list.
    Card,
    /// No token of this browser.
    Token,
}

/// The parameters of a request, in their order, not signed yet.
pub type Params = Vec<(&'static str, String)>;

impl Plan {
    /// Reads the form of the first page.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(
        value: impl Fn(&str) -> Option<String>,
        cart: &Cart,
        cards: &[TestCard],
        tokens: &[SavedToken],
        shop_language: Language,
    ) -> Result<Plan, Wrong> {
        let button = value("go").unwrap_or_default();
        let mut words = button.split(' ');
        let (route, command, language) = (words.next(), words.next(), words.next());
        let route = Route::ALL.into_iter().find(|known| Some(known.name()) == route).ok_or(Wrong::Button)?;
        let charge = Charge::ALL.into_iter().find(|known| Some(known.command()) == command).ok_or(Wrong::Button)?;
        let language = Language::of(Some(language.ok_or(Wrong::Button)?));
        let money = cart.total().ok_or(Wrong::Amount)?;
        let card = value("card").and_then(|place| place.parse().ok()).filter(|place| *place < cards.len());
        // The page sends what was chosen for every route; only this one pays with it.
        let token = match route {
            Route::Token => {
                let name = value("token").unwrap_or_default();
                let token = tokens.iter().find(|token| token.name == name).cloned();
                Some(token.ok_or(Wrong::Token)?)
            }
            _ => None,
        };
        if route == Route::Trusted && card.is_none() {
            return Err(Wrong::Card);
        }
        Ok(Plan {
            route,
            charge,
            language,
            shop_language,
            money,
            place: if value("place").as_deref() == Some("frame") { Place::Frame } else { Place::Window },
            three_ds: if value("three_ds").as_deref() == Some("off") { ThreeDs::Off } else { ThreeDs::AsSet },
            remember: match value("remember").as_deref() {
                Some("yes") => Remember::Yes,
                Some("no") => Remember::No,
                _ => Remember::Unsaid,
            },
            card: card.unwrap_or_default(),
            token,
            code: if value("code").as_deref() == Some("no") { CodeSent::No } else { CodeSent::Yes },
        })
    }

    /// The form that the browser posts to the payment page, without what a customer types.
    pub fn form_params(&self, reference: &str, return_url: &str) -> Params {
        let mut params = match self.route {
            Route::Redirection => self.order_params(reference),
            Route::Create => vec![
                ("service_command", "CREATE_TOKEN".to_owned()),
                ("merchant_reference", reference.to_owned()),
                ("currency", self.money.currency.to_string()),
                ("language", code_of(self.language).to_owned()),
            ],
            _ => vec![
                ("service_command", "TOKENIZATION".to_owned()),
                ("merchant_reference", reference.to_owned()),
                ("language", code_of(self.language).to_owned()),
            ],
        };
        params.push(("return_url", return_url.to_owned()));
        params.extend(self.remember());
        params
    }

    /// The parameters of the form that are not signed: a customer's browser adds some of them.
    pub fn form_unsigned(&self) -> &'static [&'static str] {
        let service = match self.route {
            Route::Redirection => self.charge.command(),
            Route::Create => "CREATE_TOKEN",
            _ => "TOKENIZATION",
        };
        Service::from_name(service).map_or(&[], Service::signature_exclude)
    }

    /// The payment that the shop's server sends with a token.
    pub fn token_params(&self, reference: &str, token: &SavedToken, code: CodeSent, calls: &Caller) -> Params {
        let mut params = self.call_params(reference, calls);
        params.push(("token_name", token.name.clone()));
        if code == CodeSent::Yes {
            params.push(("card_security_code", test_cards::security_code_of(&token.mask).to_owned()));
        }
        params
    }

    /// The payment that the shop's server sends with a test card.
    pub fn card_params(&self, reference: &str, card: &TestCard, now: Timestamp, calls: &Caller) -> Params {
        let mut params = self.call_params(reference, calls);
        params.push(("card_number", card.number.clone()));
        params.push(("expiry_date", card.expiry.clone().unwrap_or_else(|| test_cards::usual_expiry(now))));
        params.push(("card_security_code", card.security_code().to_owned()));
        params
    }

    fn call_params(&self, reference: &str, calls: &Caller) -> Params {
        let mut params = self.order_params(reference);
        params.push(("customer_ip", calls.customer_ip.clone()));
        params.push(("return_url", calls.return_url.clone()));
        params.extend(self.remember());
        params
    }

    fn order_params(&self, reference: &str) -> Params {
        let mut params = vec![
            ("command", self.charge.command().to_owned()),
            ("merchant_reference", reference.to_owned()),
            ("amount", self.money.amount.to_string()),
            ("currency", self.money.currency.to_string()),
            ("language", code_of(self.language).to_owned()),
            ("customer_email", CUSTOMER_EMAIL.to_owned()),
        ];
        if self.three_ds == ThreeDs::Off {
            params.push(("check_3ds", "NO".to_owned()));
        }
        params
    }

    fn remember(&self) -> Option<(&'static str, String)> {
        match self.remember {
            Remember::Yes => Some(("remember_me", "YES".to_owned())),
            Remember::No => Some(("remember_me", "NO".to_owned())),
            Remember::Unsaid => None,
        }
    }
}

/// What every payment of the shop's server has of the customer and the shop.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The customer's address.
    pub customer_ip: String,
    /// Where 3-D Secure sends the customer back to.
    pub return_url: String,
}

/// The value of the parameter `language`.
pub const fn code_of(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Arabic => "ar",
    }
}
