//! The options of `tollgate merchant set` that say how a merchant's customers come to the page and go back.

use anyhow::{Context, bail};
use clap::Args;
use std::io::Read;
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::page::{AfterPayment, CardTries, CustomPage, PageTerms, ReturnMethod, WebOrigin, is_return_url};
use tollgate_core::page_face::{Colour, LOGO_BYTES_MAX, Logo, PageFace};
use tollgate_core::shown::harmless;
use tollgate_feedback::guard::Reach;
use tollgate_http::pages::assets::logo_mark;

/// How a merchant's customers come to the page and go back.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// Take card data from a form of the merchant's own (TOKENIZATION, CREATE_TOKEN), or refuse it with 00027
    #[arg(long, value_name = "on|off")]
    custom_page: Option<String>,
    /// How the browser goes back: post, or get with the fields of card and customer starred
    #[arg(long, value_name = "post|get")]
    return_method: Option<String>,
    /// Where the browser goes back to when a request names no return_url; 'none' removes it
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
    /// The terms and conditions that customers of payment links have to agree to; 'none' removes it
    #[arg(long, value_name = "URL|none")]
    terms_url: Option<String>,
    /// The same in Arabic; where one of the two is missing, the other one is shown in both languages
    #[arg(long, value_name = "URL|none")]
    terms_url_ar: Option<String>,
    /// How many cards a customer may try on one page of ours before the payment has failed: 1 to 9
    #[arg(long, value_name = "TRIES")]
    page_card_tries: Option<u8>,
    /// What the payment after a TOKENIZATION without remember_me does to the token: keep it, or let it lapse
    #[arg(long, value_name = "keep|forget")]
    token_after_payment: Option<String>,
    /// The shop's name on our pages; 'none' goes back to the name on the cardholder's statement
    #[arg(long, value_name = "TEXT")]
    page_shop_name: Option<String>,
    /// The shop's name on our Arabic pages; 'none' goes back to --page-shop-name
    #[arg(long, value_name = "TEXT")]
    page_shop_name_ar: Option<String>,
    /// The colour of our pages' buttons and marks, such as '#0a7d5c'; 'none' goes back to the gateway's own. Text stays
    /// readable whatever it is
    #[arg(long, value_name = "#RRGGBB|none")]
    page_colour: Option<String>,
    /// The logo of our pages: a PNG, JPEG or WebP file of at most 64 KiB; 'none' removes it
    #[arg(long, value_name = "FILE|none")]
    page_logo: Option<String>,
    /// An origin whose pages may frame the standard merchant page, such as https://shop.example; may be given several
    /// times and replaces what was there; 'none' removes all
    #[arg(long, value_name = "ORIGIN|none")]
    frame_ancestor: Vec<String>,
}

/// What becomes of a merchant's logo.
#[derive(Debug)]
pub enum LogoChange {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// This one takes its place.
    Replace(Logo),
}

impl PageArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut PageTerms, reach: Reach) -> anyhow::Result<()> {
        if let Some(name) = &self.custom_page {
            terms.custom_page =
                CustomPage::parse(name).with_context(|| format!("--custom-page is on or off, not {name:?}"))?;
        }
        if let Some(name) = &self.return_method {
            terms.return_method =
                ReturnMethod::parse(name).with_context(|| format!("--return-method is post or get, not {name:?}"))?;
        }
        if let Some(tries) = self.page_card_tries {
            terms.card_tries = CardTries::new(tries).context("--page-card-tries is 1 to 9")?;
        }
        if let Some(name) = &self.token_after_payment {
            terms.token_after_payment = AfterPayment::parse(name)
                .with_context(|| format!("--token-after-payment is keep or forget, not {name:?}"))?;
        }
        for (url, given) in [
            (&mut terms.return_url, &self.return_url),
            (&mut terms.terms_url, &self.terms_url),
            (&mut terms.terms_url_ar, &self.terms_url_ar),
        ] {
            match given.as_deref() {
                None => {}
                Some("none") => *url = None,
                Some(given) if holds_card_number(given) => bail!("the URL holds a card number"),
                Some(given) if !is_return_url(given) => bail!("{:?} is no http or https URL", harmless(given)),
                Some(given) => *url = Some(given.to_owned()),
            }
        }
        self.change_face(&mut terms.face)?;
        if !self.frame_ancestor.is_empty() {
            terms.frame_ancestors = self.frame_ancestors(reach)?;
        }
        Ok(())
    }

    /// Reads the file of the logo, where one was given.
    ///
    /// # Errors
    /// When it cannot be read, or is no logo.
    pub fn logo(&self) -> anyhow::Result<LogoChange> {
        match self.page_logo.as_deref() {
            None => Ok(LogoChange::Keep),
            Some("none") => Ok(LogoChange::Remove),
            Some(path) => {
                let file = std::fs::File::open(path).with_context(|| format!("the logo {path} cannot be read"))?;
                let mut bytes = Vec::new();
                // One byte more than fits, so that a larger file is told from one that fits exactly.
                file.take(LOGO_BYTES_MAX as u64 + 1)
                    .read_to_end(&mut bytes)
                    .with_context(|| format!("the logo {path} cannot be read"))?;
                Ok(LogoChange::Replace(Logo::read(bytes).with_context(|| format!("{path} is no logo"))?))
            }
        }
    }

    fn change_face(&self, face: &mut PageFace) -> anyhow::Result<()> {
        for (field, value) in
            [(&mut face.shop_name, &self.page_shop_name), (&mut face.shop_name_ar, &self.page_shop_name_ar)]
        {
            match value.as_deref() {
                None => {}
                Some("none") => *field = None,
                Some(name) => *field = Some(name.to_owned()),
            }
        }
        match self.page_colour.as_deref() {
            None => {}
            Some("none") => face.colour = None,
            Some(text) => {
                let colour = Colour::parse(text);
                face.colour =
                    Some(colour.with_context(|| format!("--page-colour is #rrggbb, not {:?}", harmless(text)))?);
            }
        }
        match self.logo()? {
            LogoChange::Keep => {}
            LogoChange::Remove => face.logo = None,
            LogoChange::Replace(logo) => face.logo = Some(logo_mark(&logo)),
        }
        Ok(())
    }

    fn frame_ancestors(&self, reach: Reach) -> anyhow::Result<Vec<WebOrigin>> {
        if self.frame_ancestor == ["none"] {
            return Ok(Vec::new());
        }
        let read = |text: &String| -> anyhow::Result<WebOrigin> {
            let shown = harmless(text);
            let origin = WebOrigin::parse(text).with_context(|| {
                format!("--frame-ancestor is an origin such as https://shop.example, without a path, not {shown:?}")
            })?;
            if origin.is_loopback() && reach == Reach::Public {
                bail!("{shown} is on the customer's own machine: only a sandbox takes such an origin");
            }
            Ok(origin)
        };
        self.frame_ancestor.iter().map(read).collect()
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &PageTerms) {
    println!("{:<22}{}", "custom page", terms.custom_page.name());
    println!("{:<22}{}", "return method", terms.return_method.name());
    println!("{:<22}{}", "cards per page", terms.card_tries.get());
    println!("{:<22}{}", "return URL", terms.return_url.as_deref().unwrap_or("none"));
    println!("{:<22}{}", "terms URL", terms.terms_url.as_deref().unwrap_or("none"));
    println!("{:<22}{}", "terms URL, ar", terms.terms_url_ar.as_deref().unwrap_or("none"));
    println!("{:<22}{}", "token after payment", terms.token_after_payment.name());
    let face = &terms.face;
    println!("{:<22}{}", "page shop name", face.shop_name.as_deref().unwrap_or("as on the statement"));
    println!("{:<22}{}", "page shop name, ar", face.shop_name_ar.as_deref().unwrap_or("as in English"));
    println!("{:<22}{}", "page colour", face.colour.map_or_else(|| "the gateway's own".into(), |it| it.to_string()));
    let logo = face.logo.as_ref().map(|mark| format!("{} x {} pixels ({})", mark.width_px, mark.height_px, mark.hash));
    println!("{:<22}{}", "page logo", logo.as_deref().unwrap_or("none"));
    let origins: Vec<_> = terms.frame_ancestors.iter().map(WebOrigin::as_str).collect();
    println!("{:<22}{}", "may frame the page", if origins.is_empty() { "nobody".into() } else { origins.join(" ") });
}
