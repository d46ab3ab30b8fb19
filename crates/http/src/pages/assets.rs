//! What the pages load: one script, one style, the merchant's logo. And the inventory of scripts that PCI DSS 4.0.1,
//! requirement 6.4.3, asks for.
//!
//! The release says what each file is ([`INVENTORY`], in `assets/hashes.txt`); a browser that is given anything else
//! does not run it, and [`self_test`] finds it at the gateway.

use crate::answer::{AnswerBody, Response};
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::Engine;
use http::{HeaderValue, StatusCode, header};
use std::sync::LazyLock;
use tollgate_core::page_face::{Logo, LogoKind, LogoMark};

/// The script of every page.
const SCRIPT: &str = include_str!("../../assets/pay.js");
/// The style of every page. It stands in the page itself, under the page's nonce: a page is then whole with one answer.
pub(super) const STYLE: &str = include_str!("../../assets/pay.css");
/// The script of the way back to the merchant; it stands in that page.
pub(super) const RETURN_SCRIPT: &str = "document.getElementById(\"returnUrlForm\").submit();";
/// The hashes of this release, one file a line: name, then the hash as Subresource Integrity writes it.
const HASHES: &str = include_str!("../../assets/hashes.txt");

/// Where pages are told on: violations of the policy, and what the script finds changed in a page.
pub const REPORTS_PATH: &str = "/page-reports";
/// What the paths of all assets begin with.
pub const ASSETS_PATH: &str = "/assets/";
/// How long an asset may be kept: its path changes when it does.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A row of the inventory.
#[derive(Clone, Copy, Debug)]
pub struct InventoryRow {
    /// The name of the file in the source, or of the piece in the page.
    pub name: &'static str,
    /// Where it is loaded from.
    pub place: &'static str,
    /// Why a page needs it.
    pub purpose: &'static str,
    /// What it is.
    pub text: &'static str,
}

impl InventoryRow {
    /// The hash of what is served, as Subresource Integrity writes it.
    #[must_use]
    pub fn integrity(&self) -> String {
        integrity_of(self.text.as_bytes())
    }
}

/// Every script and style of every page. There is no other, and no page loads anything from elsewhere.
pub const INVENTORY: [InventoryRow; 3] = [
    InventoryRow {
        name: "pay.js",
        place: "/assets/pay-{hash}.js",
        purpose: "groups the card number, shows the brand, checks what is typed, keeps a form from being posted twice, \
                  collects the browser's data for 3-D Secure, goes on, and reports a page that was changed",
        text: SCRIPT,
    },
    InventoryRow {
        name: "return",
        place: "in the page",
        purpose: "submits the form that takes the customer back to the shop",
        text: RETURN_SCRIPT,
    },
    InventoryRow { name: "pay.css", place: "in the page", purpose: "the look of every page", text: STYLE },
];

/// What is served differs from what was released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not what was released: it has {found}, and the release says {released}; install the release again")]
pub struct AssetChanged {
    /// Which file.
    pub name: &'static str,
    /// The hash of what is there.
    pub found: String,
    /// The hash of the release; empty where it names none.
    pub released: String,
}

/// Compares what is served with the hashes of the release (PCI DSS 4.0.1, requirement 11.6.1). Cheap enough for each
/// start and each hour.
///
/// # Errors
/// The first file that differs.
pub fn self_test() -> Result<(), AssetChanged> {
    for row in &INVENTORY {
        let released = released(row.name).unwrap_or_default();
        let found = row.integrity();
        if found != released {
            return Err(AssetChanged { name: row.name, found, released: released.to_owned() });
        }
    }
    Ok(())
}

/// The lines of `assets/hashes.txt` as they have to be.
#[must_use]
pub fn hashes_text() -> String {
    INVENTORY.iter().map(|row| format!("{} {}\n", row.name, row.integrity())).collect()
}

/// The inventory as a table of `docs/pages.md`.
#[must_use]
pub fn inventory_markdown() -> String {
    let mut out = String::from("| name | where | why | hash | approved by |\n|---|---|---|---|---|\n");
    for row in &INVENTORY {
        out.push_str(&format!(
            "| `{}` | {} | {} | `{}` | the release |\n",
            row.name,
            row.place,
            row.purpose,
            row.integrity()
        ));
    }
    out
}

/// What a path under [`ASSETS_PATH`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asset<'a> {
    /// The script.
    Script,
    /// A merchant's logo: its number, and the hash that the picture has to have ([`LogoMark::hash`]).
    Logo {
        /// The merchant's number.
        merchant: i64,
        /// The hash.
        hash: &'a str,
    },
}

impl Asset<'_> {
    /// Reads a path.
    #[must_use]
    pub fn parse(path: &str) -> Option<Asset<'_>> {
        if path == script_path() {
            return Some(Asset::Script);
        }
        let (merchant, hash) = path.strip_prefix(ASSETS_PATH)?.strip_prefix("logo/")?.split_once('-')?;
        Some(Asset::Logo { merchant: merchant.parse().ok()?, hash })
    }
}

/// The script as a response.
#[must_use]
pub fn script_response() -> Response {
    asset_response("text/javascript; charset=utf-8", SCRIPT.as_bytes().to_vec())
}

/// A logo as a response; `None` when it is not the picture that was asked for.
#[must_use]
pub fn logo_response(logo: Logo, hash: &str) -> Option<Response> {
    (logo_hash(&logo.bytes) == hash).then(|| asset_response(media_type(logo.kind), logo.bytes))
}

/// How a page names this logo.
#[must_use]
pub fn logo_mark(logo: &Logo) -> LogoMark {
    LogoMark { hash: logo_hash(&logo.bytes), width_px: logo.width_px, height_px: logo.height_px }
}

/// Where the script is served: another text has another path.
pub(super) fn script_path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| format!("{ASSETS_PATH}pay-{}.js", short_hash(SCRIPT.as_bytes())));
    &PATH
}

/// What a browser holds the script against: the hash of the release, not of what is served.
pub(super) fn script_integrity() -> &'static str {
    released("pay.js").unwrap_or_default()
}

/// The hash that the release has for a file.
fn released(name: &str) -> Option<&'static str> {
    HASHES.lines().filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == name).map(|(_, hash)| hash)
}

fn integrity_of(bytes: &[u8]) -> String {
    format!("sha384-{}", base64::engine::general_purpose::STANDARD.encode(digest(&SHA384, bytes)))
}

fn logo_hash(bytes: &[u8]) -> String {
    short_hash(bytes)
}

/// The first 32 hex digits of the SHA-256.
fn short_hash(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

const fn media_type(kind: LogoKind) -> &'static str {
    kind.media_type()
}

fn asset_response(media_type: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(AnswerBody::whole(bytes));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE.as_str(), media_type),
        (header::CACHE_CONTROL.as_str(), FOREVER),
        (header::X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff"),
        // A page in a sandboxed frame has an origin of its own, and asks as a stranger would.
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        // Nothing of an asset is let do anything when somebody opens it as a page.
        (header::CONTENT_SECURITY_POLICY.as_str(), "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ] {
        if let Ok(name) = header::HeaderName::from_bytes(name.as_bytes()) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

#[cfg(test)]
mod asset_tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `cargo run -p tollgate-http --example pages -- --write-inventory` writes both anew.
    #[test]
    fn what_is_served_is_what_was_released() {
        assert_eq!(HASHES, hashes_text(), "assets/hashes.txt: write the inventory anew, and look at what changed");
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn the_inventory_of_the_document_is_that_of_the_release() {
        let document = include_str!("../../../../docs/pages.md");
        assert!(document.contains(&inventory_markdown()), "docs/pages.md: write the inventory anew");
    }

    #[test]
    fn a_logo_is_served_under_its_own_hash_alone() {
        let logo = || {
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
            bytes.extend_from_slice(&[0, 0, 0, 120, 0, 0, 0, 40]);
            Logo::read(bytes).unwrap()
        };
        let mark = logo_mark(&logo());
        let response = logo_response(logo(), &mark.hash).unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "image/png");
        assert!(logo_response(logo(), "0123").is_none());
    }

    #[test]
    fn a_path_names_an_asset_or_none() {
        assert_eq!(Asset::parse(script_path()), Some(Asset::Script));
        assert_eq!(Asset::parse("/assets/logo/7-ab"), Some(Asset::Logo { merchant: 7, hash: "ab" }));
        for path in ["/assets/pay-0.js", "/assets/logo/x-ab", "/assets/logo/7", "/assets/../x", "/assets/"] {
            assert_eq!(Asset::parse(path), None, "{path}");
        }
    }
}
