//! Letters about payment links: the same words, amounts and colours as the pages that they lead to, as a mail and as a text
//! message.
//!
//! A mail loads nothing from anywhere when it is read: its styles stand in it, its logo travels with it, and no picture
//! tells who has read it.

use super::colour::Accent;
use super::html::Html;
use super::letter_words::LetterWords;
use super::link_words::LinkWords;
use super::money_text::MoneyText;
use super::view::World;
use super::words::Words;
use tollgate_core::money::Money;
use tollgate_core::page_face::Colour;
use tollgate_core::time::Timestamp;
use tollgate_fort::text::Language;

/// The name of the logo within a mail.
pub const LETTER_LOGO: &str = "logo";
/// The largest side of a logo in a mail, in pixels.
const LOGO_SIDE_PX_MAX: u32 = 120;

/// What a customer is told of a payment link.
#[derive(Clone, Debug)]
pub struct LinkLetter<'a> {
    /// In which language.
    pub language: Language,
    /// Why now.
    pub occasion: LetterOccasion,
    /// Whether money moves.
    pub world: World,
    /// The shop's name.
    pub shop: &'a str,
    /// Its colour; the gateway's own where it has none.
    pub colour: Option<Colour>,
    /// Its logo, which travels with the mail under the name [`LETTER_LOGO`].
    pub logo: Option<LetterLogo>,
    /// Whom it is for.
    pub customer: Option<&'a str>,
    /// How much is to be paid.
    pub amount: Money,
    /// What for.
    pub description: Option<&'a str>,
    /// The merchant's order number.
    pub reference: &'a str,
    /// `payment_link_id`.
    pub link_name: &'a str,
    /// The address of the link.
    pub url: &'a str,
    /// The gateway's time now.
    pub now: Timestamp,
    /// When its time is over.
    pub ends_at: Timestamp,
}

/// Why a customer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterOccasion {
    /// The link is there.
    Request,
    /// Its time is running out.
    Reminder,
}

/// A logo in a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterLogo {
    /// Width of the picture in pixels.
    pub width_px: u32,
    /// Height of the picture in pixels.
    pub height_px: u32,
}

/// A mail's texts.
#[derive(Clone, PartialEq, Eq)]
pub struct LetterTexts {
    /// What it is about.
    pub subject: String,
    /// The text, for readers without HTML.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// The mail of a link.
#[must_use]
pub fn link_mail(letter: &LinkLetter<'_>) -> LetterTexts {
    let words = LetterWords::of(letter.language);
    let amount = MoneyText::of(letter.amount, letter.language).plain();
    let subject = words.subject(letter.occasion, letter.shop, &amount);
    LetterTexts { text: plain(letter, &amount), html: html(letter, &subject, &amount), subject }
}

/// The text message of a link, of at most `chars_max` characters: what is said of it gives way to its address, which is
/// always whole.
#[must_use]
pub fn link_sms(letter: &LinkLetter<'_>, chars_max: usize) -> String {
    let words = LetterWords::of(letter.language);
    let amount = MoneyText::of(letter.amount, letter.language).plain().replace('\u{a0}', " ");
    let shop = one_line(letter.shop);
    let (before, after) = words.sms(letter.occasion);
    let end = format!(" {amount}{after}\n{}", letter.url);
    let start = format!("{shop}: {before}");
    let room = chars_max.saturating_sub(end.chars().count());
    if start.chars().count() <= room {
        return format!("{start}{end}");
    }
    // A long name of a shop is cut before what it wants.
    let name_chars = room.saturating_sub(before.chars().count() + 3);
    let name: String = shop.chars().take(name_chars).collect();
    if name.trim().is_empty() {
        return letter.url.to_owned();
    }
    format!("{}…: {before}{end}", name.trim())
}

fn plain(letter: &LinkLetter<'_>, amount: &str) -> String {
    let (words, link_words) = (LetterWords::of(letter.language), LinkWords::of(letter.language));
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    if letter.world == World::Sandbox {
        line(Words::of(letter.language).sandbox);
        line("");
    }
    line(&words.greeting(letter.customer.map(one_line).as_deref()));
    line("");
    line(&words.opening(letter.occasion, &one_line(letter.shop)));
    line("");
    line(&format!("{}: {amount}", words.amount));
    if let Some(description) = letter.description {
        line(&format!("{}: {}", words.what, one_line(description)));
    }
    line(&format!("{}: {}", Words::of(letter.language).reference, letter.reference));
    let left = link_words.time_left(letter.ends_at.since_ms(letter.now));
    line(&format!("{}: {} {} ({left})", link_words.valid_until, moment(letter.ends_at), link_words.gmt));
    line("");
    line(words.pay_here);
    line(letter.url);
    line("");
    line(words.caution);
    line(&format!("{}: {}", link_words.link, letter.link_name));
    out
}

fn html(letter: &LinkLetter<'_>, subject: &str, amount: &str) -> String {
    let (words, link_words, general) =
        (LetterWords::of(letter.language), LinkWords::of(letter.language), Words::of(letter.language));
    let accent = Accent::of(letter.colour);
    let mut out = Html::new();
    let (lang, dir) = match letter.language {
        Language::English => ("en", "ltr"),
        Language::Arabic => ("ar", "rtl"),
    };
    out.raw("<!doctype html>\n<html").attribute("lang", lang).attribute("dir", dir);
    out.raw("><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    out.raw("<meta name=\"color-scheme\" content=\"light\"><title>").text(subject).raw("</title></head>\n");
    out.raw("<body style=\"margin:0;padding:0;background:#f3f5f8\">\n<div").attribute("lang", lang);
    out.attribute("dir", dir)
        .raw(" style=\"max-width:560px;margin:0 auto;padding:24px 16px;font:16px/1.5 -apple-system,");
    out.raw("'Segoe UI',Roboto,'Noto Sans','Noto Sans Arabic',Tahoma,sans-serif;color:#17212b\">\n");
    if letter.world == World::Sandbox {
        out.raw("<p style=\"margin:0 0 12px;padding:6px 12px;background:#fff1c2;color:#4a3a00;border-radius:6px\">");
        out.text(general.sandbox).raw("</p>\n");
    }
    out.raw("<div style=\"background:#ffffff;border:1px solid #d5dbe3;border-radius:10px;overflow:hidden\">\n<div");
    out.attribute("style", &format!("height:6px;background:{}", accent.fill));
    out.raw("></div>\n<div style=\"padding:24px\">\n");
    if let Some(logo) = letter.logo {
        shop_logo(&mut out, logo, letter.shop);
    }
    out.raw("<p style=\"margin:0 0 16px;font-weight:600\"><bdi>").text(letter.shop).raw("</bdi></p>\n<p>");
    greeting(&mut out, words, letter.customer);
    out.raw("</p>\n<p>").text(&words.opening(letter.occasion, letter.shop)).raw("</p>\n");
    out.raw("<p style=\"margin:20px 0 4px;color:#4b5866\">").text(words.amount).raw("</p>\n");
    out.raw("<p style=\"margin:0;font-size:30px;font-weight:700\"><bdi>").text(amount).raw("</bdi></p>\n");
    if let Some(description) = letter.description {
        out.raw("<p style=\"margin:4px 0 0\"><bdi>").text(description).raw("</bdi></p>\n");
    }
    out.raw("<p style=\"margin:24px 0\"><a").attribute("href", letter.url);
    let button = "display:inline-block;padding:12px 28px;border-radius:8px;text-decoration:none;font-weight:600";
    out.attribute("style", &format!("{button};background:{};color:{}", accent.fill, accent.ink));
    out.raw(">").text(link_words.make).raw("</a></p>\n<p style=\"margin:0;color:#4b5866\">");
    out.text(link_words.valid_until).raw(" <bdi dir=\"ltr\">").text(&moment(letter.ends_at)).raw("</bdi> ");
    out.text(link_words.gmt).raw(" (").text(&link_words.time_left(letter.ends_at.since_ms(letter.now)));
    out.raw(")</p>\n");
    named(&mut out, general.reference, letter.reference);
    named(&mut out, link_words.link, letter.link_name);
    out.raw("</div>\n</div>\n<p style=\"font-size:14px;color:#4b5866\">").text(words.not_clickable).raw("<br><span");
    out.attribute("dir", "ltr").raw(" style=\"display:inline-block;word-break:break-all\">").text(letter.url);
    out.raw("</span></p>\n<p style=\"font-size:14px;color:#4b5866\">").text(words.caution).raw("</p>\n");
    out.raw("</div>\n</body></html>\n");
    out.finish()
}

fn greeting(out: &mut Html, words: &LetterWords, customer: Option<&str>) {
    match customer {
        None => out.text(words.greeting_nobody),
        Some(customer) => {
            out.text(words.greeting_before).raw(" <bdi>").text(customer).raw("</bdi>").text(words.greeting_after)
        }
    };
}

fn shop_logo(out: &mut Html, logo: LetterLogo, shop: &str) {
    let largest = logo.width_px.max(logo.height_px).max(1);
    let side = |px: u32| (px * LOGO_SIDE_PX_MAX.min(largest) / largest).max(1).to_string();
    out.raw("<p style=\"margin:0 0 12px\"><img").attribute("src", &format!("cid:{LETTER_LOGO}"));
    out.attribute("alt", shop).attribute("width", &side(logo.width_px)).attribute("height", &side(logo.height_px));
    out.raw("></p>\n");
}

/// A name and a value that is read from left to right.
fn named(out: &mut Html, name: &'static str, value: &str) {
    out.raw("<p style=\"margin:0;color:#4b5866\">")
        .text(name)
        .raw(" <bdi dir=\"ltr\">")
        .text(value)
        .raw("</bdi></p>\n");
}

/// Nobody knows in which time zone a customer is, so it is told in one that all can reckon with.
fn moment(at: Timestamp) -> String {
    let t = at.utc();
    format!("{:04}-{:02}-{:02} {:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute)
}

/// A text as it may stand on one line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::money::{Amount, Currency};

    const URL: &str = "https://pay.example/pay/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const DAY_US: i64 = 86_400_000_000;

    fn letter(language: Language) -> LinkLetter<'static> {
        LinkLetter {
            language,
            occasion: LetterOccasion::Request,
            world: World::Live,
            shop: "Demo Books",
            colour: None,
            logo: None,
            customer: Some("Jo Doe"),
            amount: Money {
                amount: Amount::from_minor(1_234_500).unwrap(),
                currency: Currency::from_alpha("KWD").unwrap(),
            },
            description: Some("Two novels"),
            reference: "BILL-17",
            link_name: "INV-7",
            url: URL,
            now: Timestamp(1_795_180_800_000_000),
            ends_at: Timestamp(1_795_180_800_000_000 + 2 * DAY_US),
        }
    }

    #[test]
    fn a_mail_says_who_wants_how_much_for_what_until_when_and_where() {
        for (language, seen) in [
            (
                Language::English,
                ["Hello Jo Doe,", "1,234.500", "Two novels", "2026-11-22 13:20 GMT (2 days)", "Make a payment"],
            ),
            (
                Language::Arabic,
                ["مرحباً Jo Doe،", "1,234.500", "Two novels", "2026-11-22 13:20 بتوقيت غرينتش (يومان)", "ادفع الآن"],
            ),
        ] {
            let mail = link_mail(&letter(language));
            assert!(mail.subject.contains("Demo Books") && mail.subject.contains("1,234.500"), "{}", mail.subject);
            for text in seen.iter().take(4) {
                assert!(mail.text.contains(text), "{text}: {}", mail.text);
            }
            let shown = mail.html.replace("<bdi>", "").replace("<bdi dir=\"ltr\">", "").replace("</bdi>", "");
            for text in seen {
                assert!(shown.contains(text), "{text}: {shown}");
            }
            assert!(mail.html.contains(&format!("href=\"{URL}\"")) && mail.text.contains(&format!("{URL}\n")));
            assert!(
                !mail.html.contains("http://") && mail.html.matches("https://").count() == 2,
                "only the link is named"
            );
        }
        assert!(link_mail(&letter(Language::Arabic)).html.contains("<html lang=\"ar\" dir=\"rtl\">"));
    }

    #[test]
    fn what_others_write_is_text() {
        let evil = "<img src=\"https://spy.example\">\r\nBcc: x";
        let letter =
            LinkLetter { shop: evil, customer: Some(evil), description: Some(evil), ..letter(Language::English) };
        let mail = link_mail(&letter);
        assert!(!mail.html.contains("<img"), "{}", mail.html);
        assert!(!mail.text.contains("\r") && !mail.text.lines().any(|line| line.starts_with("Bcc")), "{}", mail.text);
        assert!(!link_sms(&letter, 268).contains('\r'));
    }

    #[test]
    fn a_logo_travels_with_the_mail() {
        let logo = Some(LetterLogo { width_px: 480, height_px: 120 });
        let mail = link_mail(&LinkLetter { logo, ..letter(Language::English) });
        assert!(mail.html.contains("src=\"cid:logo\" alt=\"Demo Books\" width=\"120\" height=\"30\""), "{}", mail.html);
    }

    #[test]
    fn a_reminder_and_the_sandbox_are_told() {
        let reminder =
            LinkLetter { occasion: LetterOccasion::Reminder, world: World::Sandbox, ..letter(Language::English) };
        let mail = link_mail(&reminder);
        assert!(mail.subject.starts_with("Reminder"), "{}", mail.subject);
        assert!(mail.text.contains("no money moves") && mail.html.contains("no money moves"));
    }

    #[test]
    fn a_text_message_has_its_address_whole_and_room_for_no_more() {
        for language in [Language::English, Language::Arabic] {
            let text = link_sms(&letter(language), 268);
            assert!(text.ends_with(&format!("\n{URL}")) && text.contains("1,234.500"), "{text}");
            assert!(text.chars().count() <= 160, "one part of plain letters: {text}");
        }
        let long = "Shop ".repeat(60);
        let text = link_sms(&LinkLetter { shop: &long, ..letter(Language::English) }, 160);
        assert!(text.chars().count() <= 160 && text.ends_with(URL) && text.contains("…: "), "{text}");
        assert_eq!(link_sms(&LinkLetter { shop: &long, ..letter(Language::English) }, 10), URL);
    }
}
