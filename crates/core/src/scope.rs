//! Which PCI DSS self-assessment questionnaire the ways point to by which a merchant's card data comes (PCI DSS 4.0.1).

use crate::command::{Eci, PayCommand};
use crate::ident::FortId;
use crate::time::Timestamp;

/// The routes, one line each: name in Rust, number in stores, name, questionnaire, words.
macro_rules! routes {
    ($($route:ident = $number:literal, $name:literal, $questionnaire:ident, $words:literal;)*) => {
        /// A way by which payments come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Route {
            $(#[doc = $words] $route,)*
        }

        impl Route {
            /// All of them.
            pub const ALL: &'static [Route] = &[$(Route::$route),*];

            /// The number in stores; never given to another one.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Route::$route => $number),* }
            }

            /// The name in JSON and on metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Route::$route => $name),* }
            }

            /// The questionnaire that it points to.
            #[must_use]
            pub const fn questionnaire(self) -> Questionnaire {
                match self { $(Route::$route => Questionnaire::$questionnaire),* }
            }

            /// What happens on it, for a person.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Route::$route => $words),* }
            }
        }
    };
}

routes! {
    TrustedClear = 1, "trusted-clear", D, "card data in clear from the merchant's server, over the trusted channel";
    TrustedEncrypted = 2, "trusted-encrypted", D, "card data that the merchant's server encrypted, over the trusted channel";
    Moto = 3, "moto", D, "card data of mail and telephone orders, over the trusted channel";
    Token = 4, "token", A, "a token in place of card data";
    HostedPage = 6, "hosted-page", A, "card data that the customer types on the gateway's own page";
    PaymentLink = 7, "payment-link", A, "card data that the customer types on the gateway's own page, behind a payment link";
    OwnForm = 5, "own-form", AEp, "card data from a form in the merchant's page, which the browser posts to the gateway";
}

impl Route {
    /// The route of a number in a store.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Route> {
        Route::ALL.iter().copied().find(|route| route.number() == number)
    }

    /// The route by which a payment came to the payment API, before anything of it was decrypted. How the card behind a
    /// token came was noted when the token was made.
    #[must_use]
    pub fn of_payment(command: &PayCommand) -> Route {
        let carries_card = command.card.is_some() || command.encrypted_card.is_some();
        match (carries_card, command.eci) {
            (false, _) => Route::Token,
            // A verification is presented as mail order whoever typed the card: that says nothing of how it came.
            (true, Eci::Moto) if !command.kind.is_verification() => Route::Moto,
            (true, _) if command.encrypted_card.is_some() => Route::TrustedEncrypted,
            (true, _) => Route::TrustedClear,
        }
    }
}

/// A self-assessment questionnaire of PCI DSS 4.0.1. The later ones ask more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Questionnaire {
    /// Card data never reaches the merchant: all of it is outsourced.
    #[serde(rename = "saq-a")]
    A,
    /// It goes from the customer's browser to the gateway, out of pages that the merchant serves.
    #[serde(rename = "saq-a-ep")]
    AEp,
    /// The merchant's own systems receive it.
    #[serde(rename = "saq-d")]
    D,
    /// They receive it for others: a service provider.
    #[serde(rename = "saq-d-sp")]
    DServiceProvider,
}

impl Questionnaire {
    /// All of them.
    pub const ALL: [Questionnaire; 4] =
        [Questionnaire::A, Questionnaire::AEp, Questionnaire::D, Questionnaire::DServiceProvider];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Questionnaire::A => "saq-a",
            Questionnaire::AEp => "saq-a-ep",
            Questionnaire::D => "saq-d",
            Questionnaire::DServiceProvider => "saq-d-sp",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Questionnaire> {
        Questionnaire::ALL.into_iter().find(|questionnaire| questionnaire.name() == name)
    }

    /// The title, for a person.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Questionnaire::A => "SAQ A",
            Questionnaire::AEp => "SAQ A-EP",
            Questionnaire::D => "SAQ D for Merchants",
            Questionnaire::DServiceProvider => "SAQ D for Service Providers",
        }
    }

    /// Whether a merchant that answers this questionnaire may use the route.
    #[must_use]
    pub fn covers(self, route: Route) -> bool {
        route.questionnaire() <= self
    }

    /// Whether it says that card data does not reach the merchant's own systems.
    #[must_use]
    pub fn leaves_merchant_out(self) -> bool {
        self < Questionnaire::D
    }
}

/// One use of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub at: Timestamp,
    /// The order; `None` of a card that was kept without one.
    pub fort_id: Option<FortId>,
    /// The merchant's reference of it, or of the request that kept the card.
    pub merchant_reference: String,
}

/// A route that a merchant has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedRoute {
    /// Which.
    pub route: Route,
    /// The first time.
    pub first: Use,
    /// The first time of the last day.
    pub last: Use,
}

/// What a merchant's routes point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The questionnaire; `None` when nothing was used.
    pub questionnaire: Option<Questionnaire>,
    /// The route that made it so, and its first use since when it is so.
    pub because: Option<UsedRoute>,
    /// Routes that the declared questionnaire does not cover.
    pub contradictions: Vec<UsedRoute>,
}

impl Scope {
    /// Judges the routes that a merchant has used. `declared` is the questionnaire that it says it answers.
    #[must_use]
    pub fn judge(used: &[UsedRoute], declared: Option<Questionnaire>) -> Scope {
        let because =
            used.iter().max_by_key(|used| (used.route.questionnaire(), std::cmp::Reverse(used.first.at))).cloned();
        let pointed = because.as_ref().map(|used| used.route.questionnaire());
        // Whose cards they are no request tells: only the merchant itself.
        let questionnaire = match (pointed, declared) {
            (Some(Questionnaire::D), Some(Questionnaire::DServiceProvider)) => Some(Questionnaire::DServiceProvider),
            _ => pointed,
        };
        let contradictions = match declared {
            None => Vec::new(),
            Some(declared) => used.iter().filter(|used| !declared.covers(used.route)).cloned().collect(),
        };
        Scope { questionnaire, because, contradictions }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::command::{CardInput, SafeParams, ThreeDsWish};
    use crate::money::{Amount, Currency, Money};
    use crate::order::PayKind;

    /// A payment with a card in clear.
    fn command() -> PayCommand {
        let currency = Currency::from_alpha("AED").unwrap();
        PayCommand {
            kind: PayKind::Purchase,
            merchant_reference: "r".to_owned(),
            money: Money { amount: Amount::from_minor(100).unwrap(), currency },
            eci: Eci::Ecommerce,
            card: Some(CardInput::default()),
            encrypted_card: None,
            token_name: None,
            token_security_code: None,
            remember_me: None,
            payment_option: None,
            three_ds: ThreeDsWish::Default,
            authentication: None,
            settlement_reference: None,
            recurring: crate::agreement::RecurringWish::default(),
            params: SafeParams::default(),
        }
    }

    #[test]
    fn a_payments_route_is_where_its_card_came_from() {
        let encrypted = || Some("a.b.c.d.e".to_owned());
        let without = |encrypted_card| PayCommand { card: None, encrypted_card, ..command() };
        for (command, route) in [
            (command(), Route::TrustedClear),
            (without(encrypted()), Route::TrustedEncrypted),
            (without(None), Route::Token),
            (PayCommand { eci: Eci::Moto, ..command() }, Route::Moto),
            (PayCommand { eci: Eci::Moto, ..without(encrypted()) }, Route::Moto),
            (PayCommand { eci: Eci::Moto, kind: PayKind::VerifyAccount, ..command() }, Route::TrustedClear),
            (PayCommand { eci: Eci::Moto, kind: PayKind::VerifyByHold, ..command() }, Route::TrustedClear),
            (
                PayCommand { eci: Eci::Moto, kind: PayKind::VerifyAccount, ..without(encrypted()) },
                Route::TrustedEncrypted,
            ),
        ] {
            assert_eq!(Route::of_payment(&command), route, "{command:?}");
        }
    }

    #[test]
    fn an_own_form_asks_more_than_tokens_and_less_than_a_server_that_has_cards() {
        let routes = [used(Route::Token, 1), used(Route::OwnForm, 2), used(Route::Moto, 3)];
        assert_eq!(Scope::judge(&routes[..2], None).questionnaire, Some(Questionnaire::AEp));
        assert_eq!(Scope::judge(&routes, None).questionnaire, Some(Questionnaire::D));
        assert_eq!(Scope::judge(&routes[..2], Some(Questionnaire::A)).contradictions, routes[1..2]);
        assert_eq!(Scope::judge(&routes[..2], Some(Questionnaire::AEp)).contradictions, []);
    }

    fn used(route: Route, at: i64) -> UsedRoute {
        let of = Use { at: Timestamp(at), fort_id: Some(FortId(at)), merchant_reference: format!("order-{at}") };
        UsedRoute { route, first: of.clone(), last: of }
    }

    #[test]
    fn the_widest_route_decides_and_its_first_use_says_since_when() {
        let routes = [used(Route::Token, 1), used(Route::TrustedEncrypted, 9), used(Route::TrustedClear, 5)];
        let scope = Scope::judge(&routes, None);
        assert_eq!(scope.questionnaire, Some(Questionnaire::D));
        assert_eq!(scope.because.unwrap().first.at, Timestamp(5));
        assert_eq!(Scope::judge(&routes[..1], None).questionnaire, Some(Questionnaire::A));
        let nothing = Scope::judge(&[], Some(Questionnaire::A));
        assert_eq!((nothing.questionnaire, nothing.contradictions.len()), (None, 0));
    }

    #[test]
    fn a_declared_questionnaire_is_contradicted_by_every_route_it_does_not_cover() {
        let routes = [used(Route::Token, 1), used(Route::TrustedClear, 5), used(Route::Moto, 6)];
        for (declared, contradictions) in [
            (Questionnaire::A, 2),
            (Questionnaire::AEp, 2),
            (Questionnaire::D, 0),
            (Questionnaire::DServiceProvider, 0),
        ] {
            assert_eq!(Scope::judge(&routes, Some(declared)).contradictions.len(), contradictions, "{declared:?}");
        }
        let provider = Scope::judge(&routes, Some(Questionnaire::DServiceProvider));
        assert_eq!(provider.questionnaire, Some(Questionnaire::DServiceProvider));
        let tokens_only = Scope::judge(&routes[..1], Some(Questionnaire::DServiceProvider));
        assert_eq!(tokens_only.questionnaire, Some(Questionnaire::A));
    }

    #[test]
    fn names_and_numbers_read_back_and_are_unique() {
        for route in Route::ALL {
            assert_eq!(Route::of_number(route.number()), Some(*route));
            assert_eq!(Route::ALL.iter().filter(|other| other.name() == route.name()).count(), 1);
        }
        for questionnaire in Questionnaire::ALL {
            assert_eq!(Questionnaire::parse(questionnaire.name()), Some(questionnaire));
        }
    }
}
