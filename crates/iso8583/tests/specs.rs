//! Specs as data: the built-in ones are complete, and a wrong one says what to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tollgate_iso8583::{Layout, Sensitivity, Spec, SpecError};

#[test]
fn every_built_in_spec_has_all_fields_of_the_standard_and_hides_the_same() {
    let names: Vec<&str> = Spec::builtin_names().collect();
    assert_eq!(names, ["iso8583-1987-ascii", "iso8583-1987-ascii-binary", "iso8583-1987-bcd"]);
    for name in names {
        let spec = Spec::builtin(name).unwrap();
        assert_eq!(spec.name(), name);
        for field in 2..=128 {
            assert!(spec.field_name(field).is_some_and(|name| !name.is_empty()), "{name} field {field}");
        }
        assert!(!spec.has_field(0) && !spec.has_field(1) && !spec.has_field(129) && !spec.has_field(255));
        assert_eq!(spec.field_name(11), Some("systems trace audit number"));
        for (field, sensitivity) in [(2, Sensitivity::Pan), (34, Sensitivity::Pan), (4, Sensitivity::None)] {
            assert_eq!(spec.field_sensitivity(field), Some(sensitivity), "{name} field {field}");
        }
        for field in [35, 36, 45, 48, 52, 55, 96, 126] {
            assert_eq!(spec.field_sensitivity(field), Some(Sensitivity::Full), "{name} field {field}");
        }
        assert_eq!(spec.field_layout(48), Some(Layout::Subelements));
        assert_eq!(spec.field_layout(55), Some(Layout::BerTlv));
        assert_eq!(spec.part_name(48, "92"), Some("card verification value"));
        assert_eq!(spec.part_name(55, "9F02"), Some("amount, authorized"));
    }
}

#[test]
fn an_acquirers_dialect_changes_what_it_names_and_keeps_the_rest() {
    let spec = Spec::from_toml(
        r#"
        name = "acme"
        extends = "iso8583-1987-bcd"
        [fields]
        60 = { name = "terminal data", format = "n ...12", sensitive = "none" }
        61 = { used = false }
        48 = { parts = { 15 = { name = "acme reference" } } }
        "#,
    )
    .unwrap();
    assert_eq!(spec.name(), "acme");
    assert_eq!(spec.field_name(60), Some("terminal data"));
    assert!(!spec.has_field(61) && spec.has_field(62));
    assert_eq!(spec.part_name(48, "15"), Some("acme reference"));
    assert_eq!(spec.part_name(48, "92"), Some("card verification value"));
}

#[test]
fn an_unknown_name_is_told_apart() {
    assert_eq!(Spec::builtin("x").unwrap_err(), SpecError::UnknownBuiltin { name: "x".into() });
    assert_eq!(Spec::from_toml("extends = \"x\"").unwrap_err(), SpecError::UnknownBuiltin { name: "x".into() });
    let missing = |text| match Spec::from_toml(text) {
        Err(SpecError::Missing { setting }) => setting,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing("name = \"x\"\n[encoding]\nmti = \"ascii\""), "encoding.numeric");
}

#[test]
fn a_wrong_field_is_named_with_what_to_do() {
    for (field, hint) in [
        ("2 = { format = \"n 0\" }", "from 1 to"),
        ("2 = { format = \"q 3\" }", "none of n, x+n"),
        ("129 = { format = \"n 3\", name = \"x\" }", "2 to 128"),
        ("02 = { format = \"n 3\", name = \"x\" }", "2 to 128"),
        ("3 = { layout = \"ber-tlv\" }", "binary format"),
        ("52 = { layout = \"subelements\" }", "text format"),
        ("41 = { parts = { 10 = { name = \"x\" } } }", "no layout"),
        ("48 = { parts = { 9F02 = { name = \"x\" } } }", "two digits"),
        ("55 = { parts = { 9f02 = { name = \"x\" } } }", "upper-case"),
        ("55 = { format = \"b ...600\" }", "hex_length"),
    ] {
        let text = format!("extends = \"iso8583-1987-ascii\"\n[fields]\n{field}");
        let error = Spec::from_toml(&text).unwrap_err();
        let SpecError::Field { field: named, problem } = &error else { panic!("{field}: {error:?}") };
        assert!(field.starts_with(named.as_str()), "{field}: {error}");
        assert!(problem.contains(hint), "{field}: {error}");
    }
}

#[test]
fn what_is_no_setting_is_refused() {
    for text in [
        "colour = \"red\"",
        "extends = \"iso8583-1987-ascii\"\n[encoding]\nmti = \"morse\"",
        "extends = \"iso8583-1987-ascii\"\n[encoding]\nnumerics = \"bcd\"",
        "extends = \"iso8583-1987-ascii\"\n[fields]\n2 = { format = \"n 3\", mask = \"none\" }",
        "extends = \"iso8583-1987-ascii\"\n[fields]\n2 = { sensitive = \"a little\" }",
        "not toml",
    ] {
        assert!(matches!(Spec::from_toml(text), Err(SpecError::Toml { .. })), "{text}");
    }
}
