//! The first page: a cart, and every way to pay for it.

use super::words::Words;
use super::{escaped, foot, head, other, tone};
use crate::demo_shop::PATH;
use crate::demo_shop::cart::{Cart, Currencies, ITEMS, Item, QUANTITY_MAX};
use crate::demo_shop::history::{SavedToken, Summary};
use crate::demo_shop::plan::{Charge, Route, Wrong, code_of};
use crate::demo_shop::test_cards::TestCard;
use crate::demo_shop::web::{Asked, in_language, try_path};
use tollgate_fort::text::Language;

/// What the first page shows.
pub struct Front<'a> {
    /// In which language.
    pub language: Language,
    /// What was asked for: what was chosen before is chosen again.
    pub asked: &'a Asked,
    /// The cart.
    pub cart: &'a Cart,
    /// What it can be paid in.
    pub currencies: &'a Currencies,
    /// The test cards of the trusted channel.
    pub cards: &'a [TestCard],
    /// The tokens of this browser.
    pub tokens: &'a [SavedToken],
    /// Its tries.
    pub tries: &'a [Summary],
    /// What was wrong with the form that it sent.
    pub wrong: Option<Wrong>,
}

/// The first page.
pub fn front(front: &Front<'_>) -> String {
    let words = Words::of(front.language);
    let mut other_path = format!("{PATH}?{}", front.cart.query());
    if other(front.language) == Language::Arabic {
        other_path.push_str("&language=ar");
    }
    let mut out = head(words, words.shop, &other_path);
    out.push_str(&format!("<h1>{}</h1>\n<p class=\"lead\">{}</p>\n", words.title, words.intro));
    if let Some(wrong) = front.wrong {
        out.push_str(&format!("<p class=\"banner bad\" role=\"alert\">{}</p>\n", words.wrong(wrong)));
    }
    out.push_str(&format!(
        "<form method=\"post\" action=\"{}\">\n<input type=\"hidden\" name=\"language\" value=\"{}\">\n",
        in_language(&format!("{PATH}/start"), front.language),
        code_of(front.language)
    ));
    push_cart(&mut out, words, front);
    push_options(&mut out, words, front);
    out.push_str(&format!(
        "<section aria-labelledby=\"ways\"><h2 id=\"ways\">{}</h2>\n<p class=\"soft\">{}</p>\n<div class=\"ways\">\n",
        words.ways, words.ways_hint
    ));
    Route::ALL.into_iter().for_each(|route| push_way(&mut out, words, front, route));
    out.push_str("</div>\n</section>\n</form>\n");
    push_tries(&mut out, words, front);
    foot(out, words)
}

fn push_cart(out: &mut String, words: &Words, front: &Front<'_>) {
    let cart = front.cart;
    out.push_str(&format!(
        "<section id=\"cart\" class=\"sheet\" aria-labelledby=\"cart-title\"><h2 id=\"cart-title\">{}</h2>\n\
         <div class=\"cart-grid\">\n<ul class=\"items\">\n",
        words.cart
    ));
    for (item, quantity) in ITEMS.iter().zip(cart.quantities) {
        let name = if words.language == "ar" { item.name_ar } else { item.name_en };
        out.push_str(&format!(
            "<li>{}<div><strong id=\"{key}-name\">{name}</strong><span class=\"soft\"><bdi>{}</bdi></span></div>\
             <input type=\"number\" name=\"{key}\" min=\"0\" max=\"{QUANTITY_MAX}\" value=\"{quantity}\" inputmode=\"numeric\" \
             required data-prices aria-label=\"{}: {name}\"></li>\n",
            drawing(item),
            cart.price(item),
            words.quantity,
            key = item.key,
        ));
    }
    out.push_str(&format!(
        "</ul>\n<div>\n<div class=\"field\"><label for=\"currency\">{}</label>\
         <select id=\"currency\" name=\"currency\" data-prices>",
        words.currency
    ));
    for currency in front.currencies.iter() {
        let selected = if currency == cart.currency { " selected" } else { "" };
        out.push_str(&format!("<option{selected}>{currency}</option>"));
    }
    let total = cart.total().map_or_else(|| words.no_total.to_owned(), |total| total.to_string());
    out.push_str(&format!(
        "</select></div>\n<div class=\"field\"><label for=\"amount\">{}</label>\
         <input id=\"amount\" name=\"amount\" inputmode=\"decimal\" dir=\"ltr\" maxlength=\"16\" value=\"{}\" data-prices \
         aria-describedby=\"amount-hint\" autocomplete=\"off\"><span class=\"hint\" id=\"amount-hint\">{}</span></div>\n\
         <p class=\"total\"><span>{}</span><output><bdi>{total}</bdi></output></p>\n\
         <button class=\"plain wide\" id=\"update\" formmethod=\"get\" formaction=\"{PATH}#cart\">{}</button>\n\
         </div>\n</div>\n</section>\n",
        words.other_amount,
        escaped(&cart.other_amount),
        words.other_amount_hint,
        words.total,
        words.update
    ));
}

/// A small drawing of an item.
fn drawing(item: &Item) -> String {
    let lines = match item.key {
        "coffee" => "M11 7h18l2 6v20H9V13zM9 13h22M16 24c0-4 8-4 8 0s-8 4-8 0M17 26c3-1 3-3 6-4",
        "dates" => "M6 16h28v17H6zM6 16l4-7h20l4 7M13 24c0-3 5-3 5 0s-5 3-5 0M22 26c0-3 5-3 5 0s-5 3-5 0",
        _ => "M9 12h19v10c0 8-4 11-9.500 11S9 30 9 22zM28 15h3c5 0 5 9 0 9h-3M14 7c-1-2 1-2 0-4M20 7c-1-2 1-2 0-4",
    };
    format!(
        "<svg viewBox=\"0 0 40 40\" width=\"40\" height=\"40\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\" \
         stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\"><path d=\"{lines}\"/></svg>"
    )
}

fn push_options(out: &mut String, words: &Words, front: &Front<'_>) {
    out.push_str(&format!(
        "<section class=\"sheet\" aria-labelledby=\"options\"><h2 id=\"options\">{}</h2>\n<div class=\"options\">\n",
        words.options
    ));
    let three_ds = [("as_set", words.three_ds_as_set), ("off", words.three_ds_off)];
    let place = [("window", words.place_window), ("frame", words.place_frame)];
    let remember = [("unsaid", words.unsaid), ("yes", words.yes), ("no", words.no)];
    push_select(out, front, "three_ds", words.three_ds, &three_ds);
    push_select(out, front, "place", words.place, &place);
    push_select(out, front, "remember", words.remember, &remember);
    out.push_str("</div>\n</section>\n");
}

fn push_select(out: &mut String, front: &Front<'_>, name: &str, label: &str, choices: &[(&str, &str)]) {
    let chosen = front.asked.chosen(name);
    // The notes of the test cards are English in both languages.
    let direction = if name == "card" { " lang=\"en\" dir=\"ltr\"" } else { "" };
    out.push_str(&format!(
        "<div class=\"field\"><label for=\"{name}\">{label}</label><select id=\"{name}\" name=\"{name}\"{direction}>"
    ));
    for (value, text) in choices {
        let selected = if chosen.as_deref() == Some(*value) { " selected" } else { "" };
        out.push_str(&format!("<option value=\"{}\"{selected}>{}</option>", escaped(value), escaped(text)));
    }
    out.push_str("</select></div>\n");
}

fn push_way(out: &mut String, words: &Words, front: &Front<'_>, route: Route) {
    out.push_str(&format!(
        "<article class=\"way sheet\" aria-labelledby=\"way-{name}\"><h3 id=\"way-{name}\">{}</h3><p>{}</p>\n",
        words.route(route),
        words.about(route),
        name = route.name()
    ));
    let mut disabled = "";
    match route {
        Route::Trusted => push_cards(out, words, front),
        Route::Token if front.tokens.is_empty() => {
            disabled = " disabled";
            out.push_str(&format!("<p class=\"small\">{}</p>\n", words.no_tokens));
        }
        Route::Token => {
            let tokens: Vec<(&str, &str)> =
                front.tokens.iter().map(|token| (token.name.as_str(), token.mask.as_str())).collect();
            out.push_str("<div class=\"pair\">");
            push_select(out, front, "token", words.saved_card, &tokens);
            push_select(out, front, "code", words.code_sent, &[("yes", words.code_yes), ("no", words.code_no)]);
            out.push_str("</div>\n");
        }
        _ => {}
    }
    out.push_str("<div class=\"go\">\n");
    let charges: &[Charge] = if route == Route::Create { &[Charge::Purchase] } else { &Charge::ALL };
    for charge in charges {
        let (label, command) = match route {
            Route::Create => (words.create, "CREATE_TOKEN"),
            _ => (words.charge(*charge), charge.command()),
        };
        out.push_str(&format!("<div><span>{label}<code dir=\"ltr\">{command}</code></span>"));
        for (code, name) in [("en", "English"), ("ar", "العربية")] {
            out.push_str(&format!(
                "<button name=\"go\" value=\"{} {} {code}\" lang=\"{code}\" aria-label=\"{}: {label}, {name}\"{disabled}>{name}</button>",
                route.name(),
                charge.command(),
                words.route(route)
            ));
        }
        out.push_str("</div>\n");
    }
    out.push_str("</div>\n</article>\n");
}

fn push_cards(out: &mut String, words: &Words, front: &Front<'_>) {
    let choices: Vec<(String, String)> = front
        .cards
        .iter()
        .enumerate()
        .map(|(place, card)| {
            let expiry =
                card.expiry.as_ref().map_or_else(String::new, |expiry| format!(", {} {expiry}", words.expiry_only));
            (place.to_string(), format!("{} {}{expiry} – {}", card.brand.name(), card.mask(), card.note))
        })
        .collect();
    let choices: Vec<(&str, &str)> = choices.iter().map(|(value, text)| (value.as_str(), text.as_str())).collect();
    push_select(out, front, "card", words.test_card, &choices);
}

fn push_tries(out: &mut String, words: &Words, front: &Front<'_>) {
    out.push_str(&format!(
        "<section class=\"sheet\" aria-labelledby=\"tries\"><h2 id=\"tries\">{}</h2>\n",
        words.tries
    ));
    if front.tries.is_empty() {
        out.push_str(&format!("<p class=\"soft\">{}</p>\n</section>\n", words.no_tries));
        return;
    }
    out.push_str("<ul class=\"tries\">\n");
    for one in front.tries {
        let wanted = match one.route {
            Route::Create => words.kept.to_owned(),
            _ => format!("{} <bdi>{}</bdi>", words.charge(one.charge), one.money),
        };
        let outcome = match &one.outcome {
            Some(outcome) => format!("<bdi>{}</bdi> {}", escaped(&outcome.code), escaped(&outcome.message)),
            None => words.not_answered.to_owned(),
        };
        out.push_str(&format!(
            "<li><a href=\"{}\"><bdi>{}</bdi></a><span>{}</span><span class=\"soft\">{wanted}</span>\
             <span class=\"badge {}\">{outcome}</span></li>\n",
            escaped(&try_path(&one.reference, front.language)),
            escaped(&one.reference),
            words.route(one.route),
            tone(one.outcome.as_ref())
        ));
    }
    out.push_str("</ul>\n</section>\n");
}
