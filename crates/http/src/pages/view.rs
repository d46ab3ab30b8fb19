//! What a page is made of: everything that the customer sees, and nothing that has to be looked up.

use super::browser::WindowSize;
use super::nonce::Nonce;
use super::typed::Fault;
use tollgate_core::bin::Brand;
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::Terms;
use tollgate_core::money::Money;
use tollgate_core::page::WebOrigin;
use tollgate_core::page_face::{Colour, LogoMark};
use tollgate_core::time::Timestamp;
use tollgate_fort::response::Fields;
use tollgate_fort::text::Language;

/// What every page needs.
#[derive(Clone, Copy, Debug)]
pub struct PageSetting<'a> {
    /// The language of the page, and with it the direction of writing.
    pub language: Language,
    /// Whose page it is; the gateway's own plain face where nobody is known.
    pub face: &'a Face,
    /// Allows this page's style and scripts. `None` when the system gave no randomness: the page then has neither, and
    /// works without.
    pub nonce: Option<&'a Nonce>,
    /// Who may frame the page.
    pub framing: &'a Framing,
    /// Whether money moves.
    pub world: World,
    /// How the customer's browser reaches the gateway, by what is known of `public_url`.
    pub transport: Transport,
    /// Where the same page is read in the other language (a GET without effect); no link where there is none.
    pub other_language_url: Option<&'a str>,
}

/// How a merchant looks on our pages.
#[derive(Clone, Debug, Default)]
pub struct Face {
    /// The shop's name; nothing is shown where it is empty.
    pub name: String,
    /// Its logo.
    pub logo: Option<FaceLogo>,
    /// Its colour; the gateway's own where it has none.
    pub colour: Option<Colour>,
}

/// A logo as a page names it.
#[derive(Clone, Debug)]
pub struct FaceLogo {
    /// The path at the gateway, see [`logo_path`].
    pub path: String,
    /// Width of the picture in pixels.
    pub width_px: u32,
    /// Height of the picture in pixels.
    pub height_px: u32,
}

impl Face {
    /// The face of a merchant with these terms, in this language.
    #[must_use]
    pub fn of_merchant(id: MerchantId, terms: &Terms, language: Language) -> Face {
        let face = &terms.channel.page.face;
        let own = match language {
            Language::Arabic => face.shop_name_ar.as_ref().or(face.shop_name.as_ref()),
            Language::English => face.shop_name.as_ref(),
        };
        Face {
            name: own.unwrap_or(&terms.acquirer.shop_name).clone(),
            logo: face.logo.as_ref().map(|mark| FaceLogo {
                path: logo_path(id, mark),
                width_px: mark.width_px,
                height_px: mark.height_px,
            }),
            colour: face.colour,
        }
    }
}

/// Where a merchant's logo is served: another picture has another path, so that it may be kept for ever.
#[must_use]
pub fn logo_path(id: MerchantId, mark: &LogoMark) -> String {
    format!("/assets/logo/{}-{}", id.0, mark.hash)
}

/// Who may frame a page. A frame inside a frame needs the leave of all that stand around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nobody: redirection.
    Nobody,
    /// The merchant's pages: the standard merchant page.
    Merchant(Vec<WebOrigin>),
    /// The gateway's own page around an iframe (3-D Secure), and whoever may frame that one; empty for nobody else.
    Gateway(Vec<WebOrigin>),
    /// Whoever posts to us: answers without a face, such as the way back of a merchant's own form.
    Anybody,
}

/// Whether money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// It does.
    Live,
    /// It does not, and every page says so.
    Sandbox,
}

/// How the browser reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By TLS: browsers are told to use nothing else.
    Tls,
    /// In clear, on a laptop.
    Clear,
}

/// What is paid.
#[derive(Clone, Copy, Debug)]
pub struct OrderSummary<'a> {
    /// How much.
    pub amount: Money,
    /// `merchant_reference`; not shown where it is `None`.
    pub reference: Option<&'a str>,
    /// `order_description`; not shown where it is `None`.
    pub description: Option<&'a str>,
}

/// The card form.
#[derive(Clone, Copy, Debug)]
pub struct CardPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// What the button does.
    pub purpose: CardPurpose,
    /// What is paid; `None` for the bare form of the standard merchant page.
    pub summary: Option<OrderSummary<'a>>,
    /// What of the card is asked for.
    pub card: CardAsked<'a>,
    /// The brands that the merchant takes, in the order in which they are shown.
    pub brands: &'a [Brand],
    /// The page itself by GET: where the script goes when the time is up; a path at the gateway.
    pub page_url: &'a str,
    /// Where the form is posted to (the names of its fields are in [`super::field`]); a path at the gateway.
    pub action_url: &'a str,
    /// Where "cancel" posts to; a path at the gateway. No such button where it is `None`.
    pub cancel_url: Option<&'a str>,
    /// Where a redirect right behind the form may lead besides the gateway itself: Chromium holds the redirects behind a
    /// form to the same rule as the form. `None` where the answer to the form is always a page of ours.
    pub redirect_origin: Option<&'a WebOrigin>,
    /// What was wrong with what was typed, one for a field at most; the page then begins with a list of them.
    pub faults: &'a [Fault],
    /// What became of the last try.
    pub notice: Option<Notice>,
    /// How many tries are left, told when it is less than the first.
    pub attempts_left: Option<u32>,
    /// The gateway's time now.
    pub now: Timestamp,
    /// When the page ends.
    pub ends_at: Timestamp,
}

/// What the button of the card form does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardPurpose {
    /// Pays the amount of the summary.
    Pay,
    /// Hands the card over, to be paid with later (TOKENIZATION).
    Tokenize,
}

/// What of the card is asked for.
#[derive(Clone, Copy, Debug)]
pub enum CardAsked<'a> {
    /// All of it.
    Whole {
        /// What stays of what was typed before.
        typed: TypedBefore<'a>,
        /// Whether the customer is asked to let the card be kept.
        save: SaveOffer,
    },
    /// The security code of a card that is kept under a token.
    Kept {
        /// The card as a mask: first six, stars, last four.
        mask: &'a str,
        /// YYMM.
        expiry: &'a str,
        /// Its brand, where one is known.
        brand: Option<Brand>,
        /// Whether the code is asked for.
        code: CodeAsked,
    },
}

/// What stays on the form when it comes again: never the card number or the security code.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypedBefore<'a> {
    /// The expiry as it was typed.
    pub expiry: &'a str,
    /// The name as it was typed. The page leaves it out when a card number stands in it.
    pub holder: &'a str,
}

/// Whether the customer is asked to let the card be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveOffer {
    /// Not asked.
    NotOffered,
    /// Asked; a box that the customer may tick.
    Offered,
    /// Asked, and the customer has ticked the box before.
    Ticked,
}

/// Whether a kept card's security code is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAsked {
    /// It is.
    Asked,
    /// It is not: a button alone.
    NotAsked,
}

/// What became of the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The issuer, or the network, said no.
    Declined,
    /// The customer was not authenticated.
    NotAuthenticated,
    /// The bank could not be reached and nothing was charged.
    Unavailable,
    /// The funds do not suffice.
    InsufficientFunds,
}

/// "Please wait": it comes again by itself, without a script.
#[derive(Clone, Copy, Debug)]
pub struct WaitPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// What is paid.
    pub summary: Option<OrderSummary<'a>>,
    /// What the browser asks for next; a path at the gateway.
    pub next_url: &'a str,
    /// After how many seconds; at least 1.
    pub pause_s: u32,
}

/// The 3DS method: a hidden iframe that posts to the ACS, then on.
#[derive(Clone, Copy, Debug)]
pub struct MethodPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// The ACS's `threeDSMethodURL`.
    pub method_url: &'a str,
    /// `threeDSMethodData`, base64url.
    pub method_data: &'a str,
    /// How long the notification is waited for, in milliseconds; EMVCo says 10 s.
    pub wait_ms: u32,
    /// Where the browser's data is posted afterwards; a path at the gateway.
    pub go_on_url: &'a str,
}

/// The collection of the browser's data alone, where no card form was shown.
#[derive(Clone, Copy, Debug)]
pub struct BrowserPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// Where the data is posted; a path at the gateway.
    pub go_on_url: &'a str,
}

/// The challenge at the ACS.
#[derive(Clone, Copy, Debug)]
pub struct ChallengePage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// The ACS's `acsURL`.
    pub acs_url: &'a str,
    /// `creq`, base64url.
    pub creq: &'a str,
    /// `threeDSSessionData`, if any.
    pub session_data: Option<&'a str>,
    /// Where the challenge is shown. Without scripts it always takes the whole page.
    pub shown: ChallengeShown,
    /// Where the browser goes when the challenge is over (GET); a path at the gateway.
    pub go_on_url: &'a str,
    /// Where "cancel" posts to; a path at the gateway.
    pub cancel_url: Option<&'a str>,
}

/// Where a challenge is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeShown {
    /// In an iframe of this size on our page; [`WindowSize::FullScreen`] fills it.
    Frame(WindowSize),
    /// As a page of its own.
    FullPage,
}

/// What the ACS's form comes back to, inside the iframe (or as the whole page): it has the page around it go on.
#[derive(Clone, Copy, Debug)]
pub struct NotificationPage<'a> {
    /// What every page needs; its framing is [`Framing::Gateway`].
    pub setting: PageSetting<'a>,
    /// What came to its end.
    pub over: StepOver,
    /// Where the browser goes on (GET); a path at the gateway.
    pub go_on_url: &'a str,
}

/// Which step of 3-D Secure is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOver {
    /// The 3DS method.
    Method,
    /// The challenge.
    Challenge,
}

/// The way back to the merchant, by a form that submits itself.
#[derive(Clone, Copy, Debug)]
pub struct ReturnPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// The merchant's address.
    pub target: &'a str,
    /// The signed answer.
    pub fields: &'a Fields,
}

/// The way back by a link that is followed at once: for [`tollgate_core::page::ReturnMethod::Get`] behind a form, where a
/// redirect would be held to the form's own rule.
#[derive(Clone, Copy, Debug)]
pub struct ReturnLinkPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// The merchant's address with the answer in its query.
    pub target: &'a str,
}

/// A page that tells something and asks nothing.
#[derive(Clone, Copy, Debug)]
pub struct ToldPage<'a> {
    /// What every page needs.
    pub setting: PageSetting<'a>,
    /// What it tells.
    pub told: Told<'a>,
}

/// What a page tells.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A request that was refused and has no way back (HTTP 400): message and code for the shop.
    Refused(&'a Fields),
    /// There is no such checkout, or it is over and nobody is told how it ended (HTTP 404).
    SessionEnded,
    /// The time is up (HTTP 410). Nothing was charged.
    TimeUp,
    /// The customer has cancelled, and there is no way back.
    Cancelled,
    /// It was paid, and there is no way back.
    Paid(OrderSummary<'a>),
    /// It was not paid, and there is no way back.
    NotPaid(OrderSummary<'a>),
    /// Nobody knows yet: the shop will tell.
    Unknown(OrderSummary<'a>),
    /// The card was handed over, and there is no way back.
    CardKept,
    /// The gateway cannot answer now (HTTP 503): try again.
    Unavailable,
}
