//! `tollgate bench` from the built binary: what it counts adds up, and the money is right. No times are judged.

use crate::support::{text, tollgate};
use serde_json::Value;

fn bench(arguments: &[&str]) -> Value {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().to_str().unwrap();
    let fixed =
        ["bench", "--seconds", "1", "--warm-up", "0", "--in-flight", "4", "--format", "json", "--folder", folder];
    let output = tollgate(&[&fixed, arguments].concat());
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the folder of the measurement is removed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A goal of the report, by its name.
fn goal<'a>(report: &'a Value, name: &str) -> &'a Value {
    let goals = report["goals"].as_array().unwrap();
    goals.iter().find(|goal| goal["name"] == name).unwrap_or_else(|| panic!("no goal {name}: {goals:#?}"))
}

fn rate(measured: &Value) -> f64 {
    measured["per_second"].as_f64().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no whole number: {value}"))
}

fn sum_of(object: &Value) -> i64 {
    object.as_object().unwrap().values().map(number).sum()
}

#[test]
fn purchases_are_counted_and_the_three_books_are_equal() {
    let report = bench(&[]);
    assert_eq!(report["right"], true, "{report:#}");
    let load = &report["loads"][0];
    assert!(number(&load["requests"]) > 0);
    assert_eq!(number(&load["codes"]["14000"]), number(&load["sent"]), "every answer says paid");
    assert!(number(&load["requests"]) <= number(&load["sent"]));
    assert_eq!(load["latency"]["count"], load["requests"]);
    assert_eq!(load["latency_by_step"]["purchase"]["count"], load["requests"]);
    let checked = number(&load["signatures_checked"]);
    assert!(checked >= number(&load["sent"]) / 16 && checked > 0);

    let sums = &report["sums"][0];
    assert_eq!(sums["equal"], true);
    // One more order is made for the question after the start on existing data.
    assert_eq!(number(&sums["orders"]), number(&load["sent"]) + 1);
    assert_eq!(sums["gateway"], sums["ledger"]);
    assert_eq!(sums["gateway"], sums["answers"]);
    assert!(sums["gateway"].as_object().unwrap().values().all(|sum| number(&sum["captured"]) > 0));
    assert!(report["gateway"]["start_ms"].as_f64().unwrap() > 0.0);
}

/// Each ceiling is measured, and each goal is the ratio that its name says, of the figures in the same report.
#[test]
fn ceilings_are_measured_and_the_loads_are_held_against_them() {
    let report = bench(&["--ceilings"]);
    assert_eq!(report["right"], true, "{report:#}");
    let loads = report["loads"].as_array().unwrap();
    let load = |mix: &str, in_flight: i64| {
        let of = |load: &&Value| load["mix"] == mix && number(&load["in_flight"]) == in_flight;
        loads.iter().find(of).unwrap_or_else(|| panic!("no {mix} with {in_flight} in flight: {loads:#?}"))
    };
    let ceilings = &report["ceilings"];
    let pairs = [
        ("purchases_32_ratio", load("purchase", 32), &ceilings["bare_32"]),
        ("purchases_256_ratio", load("purchase", 256), &ceilings["bare_batches_256"]),
        ("status_ratio", load("status", 32), &ceilings["echo"]),
    ];
    for (name, load, ceiling) in pairs {
        assert!(rate(load) > 0.0 && rate(ceiling) > 0.0, "{name}: {load:#} {ceiling:#}");
        let ratio = goal(&report, name)["measured"].as_f64().unwrap();
        assert!((ratio - rate(load) / rate(ceiling)).abs() < 0.001, "{name} is {ratio}: {load:#} {ceiling:#}");
    }
    assert!(rate(&ceilings["bare_256"]) > 0.0);
    let parts = &report["latency_parts"];
    let added_ms = goal(&report, "added_p50_ms")["measured"].as_f64().unwrap();
    assert!((added_ms - parts["added"]["p50_us"].as_f64().unwrap() / 1_000.0).abs() < 0.001, "{added_ms} of {parts:#}");
    assert_eq!(parts["added"]["count"], parts["network"]["count"]);
    assert!(number(&parts["added"]["count"]) > 0 && number(&load("purchase", 8)["requests"]) > 0);
    for name in ["cpu_us_per_purchase", "start_ms", "resident_idle_mib", "binary_mib"] {
        assert!(goal(&report, name)["measured"].as_f64().unwrap() > 0.0, "{name}");
    }
    for goal in report["goals"].as_array().unwrap() {
        let is_better = |than: &str| match (goal["measured"].as_f64(), goal[than].as_f64(), goal["better"].as_str()) {
            (Some(measured), Some(than), Some("higher")) => measured >= than,
            (Some(measured), Some(than), Some("lower")) => measured <= than,
            _ => false,
        };
        let verdict = match goal["measured"].is_null() {
            true => "not_measured",
            false if is_better("aim") => "aim",
            false if is_better("goal") => "goal",
            false => "missed",
        };
        assert_eq!(goal["verdict"], verdict, "{goal:#}");
    }
    assert_eq!(report["gateway"]["starts_ms"].as_array().unwrap().len(), 3, "the start is measured three times");
}

#[test]
fn a_batch_is_carried_out_beside_a_load_and_the_books_are_equal() {
    let report = bench(&["--rate", "20", "--batch", "1500"]);
    assert_eq!(report["right"], true, "{report:#}");
    let names: Vec<&str> =
        report["loads"].as_array().unwrap().iter().map(|load| load["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["purchase", "purchase without a batch", "purchase while a batch is carried out"]);
    let sums = report["sums"].as_array().unwrap().last().unwrap();
    assert_eq!(sums["equal"], true);
    assert!(number(&sums["orders"]) > 1500, "the rows are among them: {sums:#}");
}

#[test]
fn a_cycle_at_a_rate_counts_each_of_its_requests_and_refunds_what_it_says() {
    let report = bench(&["--mix", "cycle", "--rate", "20", "--currencies", "KWD"]);
    let load = &report["loads"][0];
    assert_eq!(number(&load["rate"]), 20);
    assert_eq!(sum_of(&load["codes"]), number(&load["sent"]));
    let cycles = number(&load["codes"]["02000"]);
    assert!(cycles > 0 && cycles + number(&load["missed"]) == 20, "{load:#}");
    assert_eq!(number(&load["codes"]["04000"]), 2 * cycles);
    assert_eq!(number(&load["codes"]["06000"]), cycles);
    assert_eq!(number(&load["codes"]["12000"]), cycles);
    let sum = &report["sums"][0]["ledger"]["KWD"];
    assert_eq!(number(&sum["held"]), 0);
    assert!(0 < number(&sum["refunded"]) && number(&sum["refunded"]) < number(&sum["captured"]));
}

#[test]
fn stored_orders_and_questions_about_orders_are_measured_too() {
    let report = bench(&["--mix", "status", "--orders", "3000"]);
    assert_eq!(report["right"], true, "{report:#}");
    assert_eq!(number(&report["stored_orders"]["orders"]), 3_000);
    assert!(report["stored_orders"]["ratio"].as_f64().unwrap() > 0.0);
    let loads = report["loads"].as_array().unwrap();
    assert_eq!(loads.len(), 2);
    assert!(loads.iter().all(|load| number(&load["codes"]["12000"]) == number(&load["sent"])), "{loads:#?}");
    assert!(report["sums"].as_array().unwrap().iter().all(|sums| sums["equal"] == true));
}

#[test]
fn the_keys_of_stored_cards_are_rotated_while_payments_run() {
    let report = bench(&["--cards", "500", "--rotate", "--rate", "20"]);
    assert_eq!(report["right"], true, "{report:#}");
    assert_eq!((number(&report["stored_cards"]["few"]), number(&report["stored_cards"]["cards"])), (500, 500));
    let rotation = &report["rotation"];
    assert!(number(&rotation["rows"]) >= 500, "every stored card is sealed anew: {rotation:#}");
    assert!(rotation["rows_per_second"].as_f64().unwrap() > 0.0);
    let names: Vec<_> = report["loads"].as_array().unwrap().iter().map(|load| load["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"purchase before the rotation") && names.contains(&"purchase during the rotation"));
    assert_eq!(report["sums"].as_array().unwrap().len(), 3, "the books of each gateway are compared");
}

#[test]
fn a_gateway_without_a_sandbox_behind_it_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("credentials.json");
    std::fs::write(&file, "{}").unwrap();
    let output = tollgate(&["bench", "--url", "http://127.0.0.1:9", "--credentials", file.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("--issuer-admin"), "{}", text(&output.stderr));
}

#[test]
fn a_gateway_that_runs_already_is_loaded_and_only_the_runs_part_of_its_books_is_compared() {
    let gateway = crate::support::Gateway::start();
    let demo = gateway.demo();
    let before = crate::support::payment("PURCHASE", "BEFORE-1", "777", "4005550000000001");
    assert_eq!(crate::support::field(&gateway.call(&demo, &before), "response_code"), "14000");
    let arguments = ["bench", "--seconds", "1", "--warm-up", "0", "--in-flight", "2", "--format", "json"];
    let report: Value = serde_json::from_str(&gateway.run_well(&arguments)).unwrap();
    let (load, sums) = (&report["loads"][0], &report["sums"][0]);
    assert_eq!(number(&sums["orders"]), number(&load["sent"]));
    assert_eq!(sums["gateway"], sums["answers"]);
    assert!(report["gateway"].is_null(), "a gateway that is not ours is not stopped");
}
