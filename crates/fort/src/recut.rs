//! Values by which a signed text could be read as other parameters than those that were signed.
//!
//! FORT hashes `name=value` pairs with nothing between them. So a value that holds `status=14` ends, for somebody who
//! cuts the text anew, where `status` begins; and the signature fits the new pairs as well as the old ones. Such a value
//! is refused in a request, and left out of what the gateway signs.
//!
//! Why every name counts, and not only those that sort behind the parameter: whoever cuts anew may also leave out a cut.
//! All pairs up to the value become one long value of an early parameter that few merchants look at, and from there
//! on every later name is in order again.
//!
//! What no rule for values prevents, because it needs none: pairs that stand side by side read as one (a parameter
//! hides in the value before it), and a long name read as its ending (`token_status` as `status`, so that
//! [`crate::response`] repeats no such value). Neither gives a name a value that was not signed as the beginning of
//! one. See docs/signature.md.

/// Who chose a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// Its request was signed. Texts may still come from a customer; addresses are the merchant's own.
    Merchant,
    /// Nobody knows: the signature of the request was not verified.
    Anyone,
}

/// The parameters that hold an address of the merchant, whose query may have names of its own.
const ADDRESSES: [&str; 1] = ["return_url"];

/// What parts the pieces of an address.
const ADDRESS_PARTS: [char; 5] = ['&', ';', '#', '?', '/'];

/// The name that says how a request ended. It stands in no address, however it is parted from the rest.
const OUTCOME: &str = "response_code";

/// The name of a FORT parameter that a signed text could be cut at within `value`, the value of the parameter `name`;
/// `None` when there is none, which is so for every value without `=`.
///
/// A name is found wherever it stands right before a `=`, in exactly its own letters, also as the end of a longer word.
/// In an address that the merchant chose it counts only where the cut would give somebody something: when nothing parts
/// its value from the next name, or when it says the outcome. So `https://shop.example/?status=new&amount=5` is
/// let through: cut anew, each value would have the `&` at its end, and the last one whatever was signed behind it.
#[must_use]
pub fn recut_name(name: &str, value: &str, author: Author) -> Option<&'static str> {
    let mut found = value.match_indices('=').filter_map(|(place, _)| Some((name_before(value, place)?, place)));
    match author {
        Author::Merchant if ADDRESSES.contains(&name) => found
            .find(|(found, place)| found.ends_with(OUTCOME) || leads_to_a_name(value, *place))
            .map(|(name, _)| name),
        Author::Merchant | Author::Anyone => found.next().map(|(name, _)| name),
    }
}

/// Whether the text behind the `=` at `place` runs up to a further name with nothing that parts them.
fn leads_to_a_name(value: &str, place: usize) -> bool {
    let rest = value.get(place + 1..).unwrap_or_default();
    let run = rest.split(ADDRESS_PARTS).next().unwrap_or_default();
    run.match_indices('=').any(|(place, _)| name_before(run, place).is_some())
}

/// The longest known name that ends at `place`.
fn name_before(value: &str, place: usize) -> Option<&'static str> {
    let text = value.get(..place)?;
    let letters =
        text.bytes().rev().take(NAME_BYTES_MAX).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (place - letters.count()..place).find_map(|start| {
        let letters = text.get(start..)?;
        let found = NAMES.binary_search_by(|known| (*known).cmp(letters)).ok()?;
        NAMES.get(found).copied()
    })
}

/// The bytes of the longest name.
const NAME_BYTES_MAX: usize = 33;

/// The parameters of all FORT services and of ours, of requests and of answers, in the order of their bytes.
///
/// Left out are `signature`, which is hashed nowhere, and a few plain words that name parts of reports, uploads and
/// lists between servers (`body`, `columns`, `data`, `file`, `filters`, `http_status`, `otp`, `products`): no payment is
/// judged by them, and honest texts hold them.
#[rustfmt::skip]
static NAMES: [&str; 255] = [
    "3ds_eci", "3ds_enrolled", "3ds_status", "3ds_url", "3ds_xid", "Line_Number", "access_code", "acquirer_response_code", "acquirer_response_message", "agreement_event", "agreement_id", "agreement_note", "agreement_status", "airline_booking_reference", "airline_document_type", "airline_itinerary", "airline_passengers_list", "airline_plan_number", "airline_ticket", "airline_transaction_type", "amount", "app_framework", "app_plugin", "app_plugin_version", "app_programming", "app_ver", "apple_applicationData", "apple_data", "apple_header", "apple_paymentMethod", "apple_signature", "authorization_code", "authorized_amount", "batch_id", "batch_reference", "bill_number", "billing_city", "billing_company", "billing_country", "billing_postcode", "billing_provinceCode", "billing_stateProvince", "billing_street", "billing_street2", "call_id", "captured_amount", "card_bin", "card_brand", "card_holder_name", "card_number", "card_security_code", "cart_details", "cashback_wallet_amount", "check_3ds", "command", "conversion_number", "converted_amount", "converted_currency", "creation_date", "currency", "customer_address1", "customer_address2", "customer_alt_phone", "customer_apartment_no", "customer_city", "customer_code", "customer_country_code", "customer_date_birth", "customer_email", "customer_first_name", "customer_id", "customer_ip", "customer_last_name", "customer_middle_initial", "customer_name", "customer_phone", "customer_state", "customer_type", "customer_zip_code", "data_count", "device_fingerprint", "device_id", "digital_wallet", "due_date", "eci", "encrypted_card_data", "execution_date", "expiry_date", "flex_value", "fort_id", "fraud_comment", "fraud_extra1", "fraud_extra10", "fraud_extra11", "fraud_extra12", "fraud_extra13", "fraud_extra14", "fraud_extra15", "fraud_extra16", "fraud_extra17", "fraud_extra18", "fraud_extra19", "fraud_extra2", "fraud_extra20", "fraud_extra21", "fraud_extra22", "fraud_extra23", "fraud_extra24", "fraud_extra25", "fraud_extra3", "fraud_extra4", "fraud_extra5", "fraud_extra6", "fraud_extra7", "fraud_extra8", "fraud_extra9", "from_date", "include_installments", "installment_detail", "installments", "invoice_lines", "invoice_number", "issuer_code", "issuer_detail", "item_description", "item_gift_msg", "item_part_no", "item_price", "item_prod_code", "item_quantity", "item_shipping_comments", "item_shipping_method", "item_shipping_no", "item_sku", "knet_ref_number", "language", "link_command", "link_reminders", "loan_number", "maintenance_reference", "merchant_3ds_url", "merchant_extra", "merchant_extra1", "merchant_extra2", "merchant_extra3", "merchant_extra4", "merchant_extra5", "merchant_identifier", "merchant_order_id", "merchant_reference", "new_token_name", "notification_type", "number_of_installments", "open_count", "order_description", "otp_status", "payment_link", "payment_link_id", "payment_link_status", "payment_option", "payment_partner", "phone_number", "plan_code", "processor_response_code", "purchase_description", "query_command", "rcpt_address1", "rcpt_address2", "rcpt_apartment_no", "rcpt_city", "rcpt_country_code", "rcpt_email", "rcpt_first_name", "rcpt_last_name", "rcpt_middle_initial", "rcpt_phone", "rcpt_state", "rcpt_title", "rcpt_zip_code", "reconciliation_reference", "recurring_amount", "recurring_attempt", "recurring_billing_cycle", "recurring_charges_done", "recurring_charges_left", "recurring_days_between_payments", "recurring_due_date", "recurring_expiry_date", "recurring_first_charge_date", "recurring_last_attempt", "recurring_last_charge_date", "recurring_mode", "recurring_next_attempt", "recurring_next_charge_date", "recurring_transactions_count", "refunded_amount", "remember_me", "report_format", "request_expiry_date", "response_code", "response_format", "response_message", "return_third_party_response_codes", "return_url", "sadad_olp", "sdk_token", "service_command", "settlement_reference", "ship_address1", "ship_address2", "ship_address_city", "ship_address_state", "ship_alt_phone", "ship_apartment_no", "ship_comments", "ship_country_code", "ship_email", "ship_first_name", "ship_last_name", "ship_method", "ship_middle_name", "ship_phone", "ship_type", "ship_zip_code", "shipping_city", "shipping_company", "shipping_country", "shipping_postcode", "shipping_provinceCode", "shipping_sameAsBilling", "shipping_source", "shipping_stateProvince", "shipping_street", "shipping_street2", "statement_descriptor", "status", "tenure", "third_party_body", "third_party_transaction_number", "threeds_id", "to_date", "token_name", "token_status", "total_down_payment", "total_downpayment", "transaction_code", "transaction_date", "transaction_id", "transaction_message", "transaction_status", "transactions_count", "valu_transaction_id", "ver_token", "ver_type", "wallet_amount",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::Service;
    use crate::service::table::table;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn anyone(value: &str) -> Option<&'static str> {
        recut_name("customer_email", value, Author::Anyone)
    }

    #[test]
    fn the_names_are_in_order_and_hold_every_parameter_of_the_tables() {
        assert!(NAMES.iter().zip(NAMES.iter().skip(1)).all(|(a, b)| a < b));
        assert_eq!(NAMES.iter().map(|name| name.len()).max(), Some(NAME_BYTES_MAX));
        for service in Service::ALL {
            let table = table(service);
            let taken = table.rules.iter().map(|rule| &*rule.name);
            let answered = table.answer.iter().map(|field| &*field.name);
            for name in taken.chain(answered).chain(["response_code", "response_message", "status", "fort_id"]) {
                assert!(
                    matches!(name, "signature" | "data" | "file" | "columns" | "filters") || NAMES.contains(&name),
                    "{service:?}: {name}"
                );
            }
        }
    }

    #[test]
    fn a_name_counts_wherever_it_stands_right_before_an_equals_sign() {
        for (value, name) in [
            ("status=14", Some("status")),
            ("a@b.cstatus=14", Some("status")),
            ("mystatus=14", Some("status")),
            ("xtransaction_status=14", Some("transaction_status")),
            ("1amount=", Some("amount")),
            ("13ds_url=x", Some("3ds_url")),
            ("3ds_url=x", Some("3ds_url")),
            ("a=b;محمدtoken_name=x", Some("token_name")),
            ("merchant_extra1=x", Some("merchant_extra1")),
            ("access_code=x", Some("access_code")),
            // Exactly its own letters: another case is another parameter.
            ("Status=14", None),
            ("STATUS=14", None),
            ("status =14", None),
            ("status%3D14", None),
            ("status", None),
            ("=", None),
            ("==status", None),
            ("merchant_extra6=x", None),
            ("signature=00", None),
            ("a=b&utm_source=shop&order=17", None),
            ("dGVzdA==", None),
            ("", None),
        ] {
            assert_eq!(anyone(value), name, "{value}");
            assert_eq!(recut_name("return_url", value, Author::Anyone), name, "{value}");
        }
    }

    #[test]
    fn an_address_of_the_merchant_may_have_names_that_are_parted() {
        for (url, name) in [
            ("https://shop.example/back?discriminator=0f3a", None),
            ("https://shop.example/?wc-api=x&status=new&amount=5", None),
            ("https://shop.example/?order_status=new&currency=AED#language=en", None),
            ("https://shop.example/?next=/status=1/token_name=2", None),
            ("https://shop.example/?status=14", None),
            ("https://shop.example/?x=status=14token_name=y", Some("status")),
            ("https://shop.example/?status=14token_name=y&z", Some("status")),
            ("https://shop.example/?response_code=14000&status=14", Some("response_code")),
            ("https://shop.example/?x=1response_code=14000", Some("response_code")),
            ("https://shop.example/?processor_response_code=14000", Some("processor_response_code")),
        ] {
            assert_eq!(recut_name("return_url", url, Author::Merchant), name, "{url}");
            let text = recut_name("merchant_extra", url, Author::Merchant);
            assert_eq!(text, anyone(url), "only an address is an address: {url}");
        }
    }

    /// A long value cannot make the search slow: this would be seen to hang.
    #[test]
    fn the_longest_value_is_searched_in_linear_time() {
        for piece in ["eci=&", "1=", "=", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=", "eci=x/x=/"] {
            let value = piece.repeat(64 * 1024 / piece.len());
            assert_eq!(recut_name("return_url", &value, Author::Merchant), None, "{piece}");
        }
    }

    /// A cut of a signed text: where its `=` stands, and what it gives to whom.
    struct Cut<'a> {
        equals: usize,
        name: &'a str,
        value: &'a str,
    }

    /// A place where a cut could be made: where a known name stands before a `=`.
    #[derive(Clone, Copy)]
    struct Place {
        start: usize,
        name: &'static str,
    }

    impl Place {
        const fn equals(self) -> usize {
            self.start + self.name.len()
        }
    }

    /// Every way to read `text` as parameters with known names in their order, none twice. Slow and plain.
    fn readings(text: &str) -> Vec<Vec<Cut<'_>>> {
        let places: Vec<Place> = (0..text.len())
            .filter_map(|start| Some((start, text.get(start..)?)))
            .flat_map(|(start, rest)| {
                let here = move |name: &&str| rest.strip_prefix(*name).is_some_and(|rest| rest.starts_with('='));
                NAMES.into_iter().filter(here).map(move |name| Place { start, name })
            })
            .collect();
        let mut readings = Vec::new();
        for first in places.iter().filter(|place| place.start == 0) {
            go_on(text, &places, &mut vec![*first], &mut readings);
        }
        readings
    }

    fn go_on<'a>(text: &'a str, places: &[Place], made: &mut Vec<Place>, readings: &mut Vec<Vec<Cut<'a>>>) {
        let ends = made.iter().skip(1).map(|next| next.start).chain([text.len()]);
        let cut = |(place, end): (&Place, usize)| Cut {
            equals: place.equals(),
            name: place.name,
            value: &text[place.equals() + 1..end],
        };
        readings.push(made.iter().zip(ends).map(cut).collect());
        let Some(last) = made.last().copied() else { return };
        for next in places.iter().filter(|next| next.start > last.equals() && next.name > last.name) {
            made.push(*next);
            go_on(text, places, made, readings);
            made.pop();
        }
    }

    /// The text that is hashed between the phrases.
    fn joined(pairs: &BTreeMap<&'static str, String>) -> String {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Where the `=` of the pairs stand in the text that is hashed.
    fn equals(pairs: &BTreeMap<&'static str, String>) -> Vec<usize> {
        let lengths = pairs.iter().map(|(name, value)| (name.len(), value.len() + 1));
        let mut start = 0;
        lengths
            .map(|(name, rest)| {
                let equals = start + name;
                start = equals + rest;
                equals
            })
            .collect()
    }

    #[test]
    fn the_reader_of_this_test_finds_the_attack() {
        let declined = |parameter, value: &str| {
            BTreeMap::from([
                ("access_code", "A".to_owned()),
                ("response_code", "13666".to_owned()),
                ("status", "13".to_owned()),
                (parameter, value.to_owned()),
            ])
        };
        // Behind the parameter, and before it: the order of the names holds nobody off.
        for (parameter, value) in [
            ("customer_email", "aresponse_code=14000status=14token_name=x@y.z"),
            ("token_name", "aresponse_code=14000status=14transaction_id=x"),
        ] {
            assert!(anyone(value).is_some());
            let pairs = declined(parameter, value);
            let text = joined(&pairs);
            let approved = readings(&text).into_iter().any(|reading| {
                let has = |name, value| reading.iter().any(|cut| cut.name == name && cut.value == value);
                has("response_code", "14000") && has("status", "14")
            });
            assert!(approved, "{text}");
        }
    }

    /// Values of the pieces that attacks are made of.
    fn value() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-z0-9_@.=&]{1,3}",
            2 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
            1 => Just("=14".to_owned()),
            1 => Just("transaction_".to_owned()),
            1 => Just("response_".to_owned()),
        ];
        vec(piece, 1..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
        /// In whatever way a text of values that pass is read: nothing begins but where something that was signed begins.
        #[test]
        fn values_that_pass_give_no_reading_a_beginning_that_was_not_signed(
            names in proptest::sample::subsequence(&NAMES[..], 1..6),
            values in vec(value(), 6),
        ) {
            let mut pairs: BTreeMap<&'static str, String> = BTreeMap::new();
            for (name, value) in names.into_iter().zip(values) {
                // What does not pass is left out, as in an answer.
                if recut_name(name, &value, Author::Anyone).is_none() {
                    pairs.insert(name, value);
                }
            }
            let text = joined(&pairs);
            let signed = equals(&pairs);
            let readings = readings(&text);
            prop_assert!(pairs.is_empty() || readings.iter().any(|r| r.iter().map(|cut| cut.equals).eq(signed.iter().copied())));
            for reading in readings {
                for cut in reading {
                    prop_assert!(signed.contains(&cut.equals), "{} = {} of {}", cut.name, cut.value, text);
                }
            }
        }

        /// The same for an address of the merchant among parameters as they stand in an answer: no reading has the
        /// outcome of another one, nor a status that was not signed.
        #[test]
        fn an_address_that_passes_gives_no_reading_another_outcome(url in value(), end in value()) {
            let url = format!("https://shop.example/?{url}&{end}");
            prop_assume!(recut_name("return_url", &url, Author::Merchant).is_none());
            let pairs = BTreeMap::from([
                ("access_code", "A".to_owned()),
                ("response_code", "00666".to_owned()),
                ("response_message", "Declined".to_owned()),
                ("return_url", url),
                ("service_command", "TOKENIZATION".to_owned()),
                ("status", "00".to_owned()),
                ("token_name", "t".to_owned()),
            ]);
            let text = joined(&pairs);
            for reading in readings(&text) {
                for cut in &reading {
                    match cut.name {
                        "response_code" => prop_assert!(cut.value.starts_with("00666"), "{text}: {}", cut.value),
                        "status" => {
                            let is_status = cut.value.len() == 2 && cut.value.bytes().all(|byte| byte.is_ascii_digit());
                            prop_assert!(!is_status || cut.value == "00", "{text}: {}", cut.value);
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
