//! Marks of the card brands: small plain drawings of our own, for recognition, not the brands' artwork.

use tollgate_core::bin::Brand;

/// The name that people know a brand by, the same in every language.
pub(super) const fn brand_label(brand: Brand) -> &'static str {
    match brand {
        Brand::Visa => "Visa",
        Brand::Mastercard => "Mastercard",
        Brand::Amex => "American Express",
        Brand::Mada => "mada",
        Brand::Meeza => "Meeza",
    }
}

/// The drawing, 38 by 24, without a title: the label stands beside it for who cannot see.
pub(super) const fn brand_mark(brand: Brand) -> &'static str {
    match brand {
        Brand::Visa => {
            "<svg viewBox=\"0 0 38 24\" width=\"38\" height=\"24\" aria-hidden=\"true\" focusable=\"false\">\
             <rect width=\"38\" height=\"24\" rx=\"4\" fill=\"#1a2f7a\"/>\
             <text x=\"19\" y=\"16.5\" text-anchor=\"middle\" font-family=\"Arial,Helvetica,sans-serif\" font-size=\"12\" \
             font-weight=\"700\" font-style=\"italic\" textLength=\"28\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#fff\">\
             VISA</text></svg>"
        }
        Brand::Mastercard => {
            "<svg viewBox=\"0 0 38 24\" width=\"38\" height=\"24\" aria-hidden=\"true\" focusable=\"false\">\
             <rect width=\"38\" height=\"24\" rx=\"4\" fill=\"#20242b\"/>\
             <circle cx=\"15\" cy=\"12\" r=\"7\" fill=\"#e0322d\"/><circle cx=\"23\" cy=\"12\" r=\"7\" fill=\"#f3a12b\"/>\
             <path d=\"M19 6.26a7 7 0 0 1 0 11.48a7 7 0 0 1 0-11.48z\" fill=\"#ef6a25\"/></svg>"
        }
        Brand::Amex => {
            "<svg viewBox=\"0 0 38 24\" width=\"38\" height=\"24\" aria-hidden=\"true\" focusable=\"false\">\
             <rect width=\"38\" height=\"24\" rx=\"4\" fill=\"#1268a8\"/>\
             <text x=\"19\" y=\"15.5\" text-anchor=\"middle\" font-family=\"Arial,Helvetica,sans-serif\" font-size=\"9\" \
             font-weight=\"700\" textLength=\"30\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#fff\">AMEX</text></svg>"
        }
        Brand::Mada => {
            "<svg viewBox=\"0 0 38 24\" width=\"38\" height=\"24\" aria-hidden=\"true\" focusable=\"false\">\
             <rect width=\"38\" height=\"24\" rx=\"4\" fill=\"#fff\"/>\
             <rect x=\".5\" y=\".5\" width=\"37\" height=\"23\" rx=\"3.5\" fill=\"none\" stroke=\"#8a94a0\"/>\
             <rect x=\"5\" y=\"6\" width=\"9\" height=\"5\" rx=\"1\" fill=\"#2c7fb8\"/>\
             <rect x=\"5\" y=\"13\" width=\"9\" height=\"5\" rx=\"1\" fill=\"#6aa83a\"/>\
             <text x=\"25\" y=\"15\" text-anchor=\"middle\" font-family=\"Arial,Helvetica,sans-serif\" font-size=\"8.5\" \
             font-weight=\"700\" textLength=\"19\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#26323f\">mada</text></svg>"
        }
        Brand::Meeza => {
            "<svg viewBox=\"0 0 38 24\" width=\"38\" height=\"24\" aria-hidden=\"true\" focusable=\"false\">\
             <rect width=\"38\" height=\"24\" rx=\"4\" fill=\"#fff\"/>\
             <rect x=\".5\" y=\".5\" width=\"37\" height=\"23\" rx=\"3.5\" fill=\"none\" stroke=\"#8a94a0\"/>\
             <rect x=\"4\" y=\"17\" width=\"30\" height=\"2.5\" rx=\"1\" fill=\"#f08a24\"/>\
             <text x=\"19\" y=\"14\" text-anchor=\"middle\" font-family=\"Arial,Helvetica,sans-serif\" font-size=\"9\" \
             font-weight=\"700\" textLength=\"28\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#5b2a86\">meeza</text></svg>"
        }
    }
}
