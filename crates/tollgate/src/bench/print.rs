//! A report for a person.

use super::goals::Verdict;
use super::histogram::Latency;
use super::report::{Bare, GatewayFigures, Load, Report, RotationFigures};
use super::sums::{Sums, SumsCheck};

/// Prints a report on standard output.
pub fn print(report: &Report) {
    let machine = &report.machine;
    let disk = machine.file_system.as_deref().unwrap_or("unknown");
    let busy = machine.load_average_before.map_or_else(String::new, |load| format!(", load average before {load}"));
    println!("tollgate {} on {} cores, data on {disk}{busy}", report.tollgate_version, machine.cores);
    if super::folder::is_memory(disk) {
        println!("WARNING: {disk} is memory: a commit costs nothing there. Name a folder on a disk with --folder.");
    }
    if machine.load_average_before.is_some_and(|load| load > 0.5) {
        println!("NOTE: something else was running: the figures are lower than this machine's.");
    }
    report.loads.iter().for_each(print_load);
    if let Some(ceilings) = &report.ceilings {
        println!("\nceilings of this machine");
        ceilings.bare_32.iter().for_each(|bare| print_bare("bare two-commit loop, 32 callers", bare));
        ceilings.bare_256.iter().for_each(|bare| print_bare("bare two-commit loop, 256 callers", bare));
        ceilings.bare_batches_256.iter().for_each(|bare| print_bare("bare two-commit loop in batches of 256", bare));
        ceilings.echo.iter().for_each(|echo| {
            println!("  {:<40}{:>10.0}/s", "HTTP echo, both signatures, 32 in flight", echo.per_second)
        });
        ceilings.echo.iter().for_each(print_errors);
    }
    if let Some(parts) = &report.latency_parts {
        println!("\na payment's latency at 8 in flight");
        println!("  {:<16}{}", "by the gateway", quantiles(&parts.added));
        println!("  {:<16}{}", "by the network", quantiles(&parts.network));
    }
    if let Some(stored) = &report.stored_orders {
        println!("\nstored orders (filled in {:.0} s)", stored.fill_seconds);
        println!("  {:>10} {:>9.0}/s", "few", stored.empty_per_second);
        println!("  {:>10} {:>9.0}/s   ratio {:.3}", stored.orders, stored.filled_per_second, stored.ratio);
    }
    if let Some(stored) = &report.stored_cards {
        println!("\nstored cards (sealed and stored in {:.0} s)", stored.fill_seconds);
        let ms = |us: f64| us / 1e3;
        println!("  {:>10} {:>9.0}/s  p99 {:.2} ms", stored.few, stored.few_per_second, ms(stored.few_p99_us));
        let (rate, p99) = (stored.many_per_second, ms(stored.many_p99_us));
        println!("  {:>10} {rate:>9.0}/s  p99 {p99:.2} ms   ratio {:.3}", stored.cards, stored.ratio);
    }
    report.rotation.iter().for_each(print_rotation);
    report.gateway.iter().for_each(|gateway| print_gateway(gateway, machine.binary_bytes));
    report.sums.iter().for_each(print_sums);
    if report.ceilings.is_some() || report.stored_cards.is_some() {
        print_goals(report);
    }
    if !report.right {
        println!("\nWRONG: see the differences and errors above.");
    }
}

fn print_load(load: &Load) {
    let rate = load.rate.map_or_else(String::new, |rate| format!(" at {rate} orders/s"));
    println!("\n{}: {} in flight{rate}, {:.0} s", load.name, load.in_flight, load.seconds);
    println!("  {:>10.0} answers/s      {}", load.per_second, quantiles(&load.latency));
    if load.latency_by_step.len() > 1 {
        load.latency_by_step.iter().for_each(|(step, latency)| println!("  {step:<20}     {}", quantiles(latency)));
    }
    if load.missed > 0 {
        println!("  the rate was NOT reached: {} orders were not begun in time", load.missed);
    }
    let cpu = &load.cpu_us_per_request;
    let us = |cpu: Option<f64>| cpu.map_or("?".to_owned(), |cpu| format!("{cpu:.0}"));
    let (gateway, issuer, generator) = (us(cpu.gateway), us(cpu.issuer), us(cpu.generator));
    println!("  CPU us per answer: gateway {gateway}, card network {issuer}, generator {generator}");
    let codes: Vec<_> = load.codes.iter().map(|(code, count)| format!("{code} x {count}")).collect();
    let checked = load.signatures_checked;
    println!("  codes {}; {checked} signatures checked (1 in {})", codes.join(", "), load.signature_checked_every);
    print_errors(load);
}

fn print_errors(load: &Load) {
    load.errors.iter().for_each(|(error, count)| println!("  ERROR {count} x {error}"));
}

fn print_bare(what: &str, bare: &Bare) {
    println!(
        "  {what:<40}{:>10.0}/s   p50 {:.2} ms  p99 {:.2} ms",
        bare.per_second,
        bare.p50_us / 1e3,
        bare.p99_us / 1e3
    );
}

fn quantiles(latency: &Latency) -> String {
    let ms = |us: f64| us / 1e3;
    let [p50, p90, p99, p99_9, max] =
        [latency.p50_us, latency.p90_us, latency.p99_us, latency.p99_9_us, latency.max_us].map(ms);
    format!("p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p99_9:.2}  max {max:.1} ms")
}

fn print_gateway(gateway: &GatewayFigures, binary: Option<u64>) {
    let mib =
        |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
    println!("\nthe gateway's process");
    let (fresh, loaded) = (mib(gateway.resident_fresh_bytes), mib(gateway.resident_loaded_bytes));
    println!("  resident: fresh {fresh}, loaded {loaded}, started again {}", mib(gateway.resident_restarted_bytes));
    let start = gateway.start_ms.map_or("?".to_owned(), |ms| format!("{ms:.1} ms"));
    println!(
        "  start on existing data to the first answer: {start}; database {}; binary {}",
        mib(gateway.database_bytes),
        mib(binary)
    );
}

fn print_rotation(rotation: &RotationFigures) {
    let ms = |us: f64| us / 1e3;
    println!("\nrotation of data keys under payments");
    println!(
        "  {} rows sealed anew, {:.0} a second; {:.1} s in all",
        rotation.rows, rotation.rows_per_second, rotation.seconds
    );
    let cores = rotation.gateway_cores.map_or("?".to_owned(), |cores| format!("{cores:.2}"));
    println!("  processors of the gateway meanwhile, payments included: {cores}");
    let (before, during) = (ms(rotation.before_p99_us), ms(rotation.during_p99_us));
    println!("  p99 of payments: before {before:.2} ms, meanwhile {during:.2} ms, ratio {:.2}", rotation.p99_ratio);
}

fn print_sums(check: &SumsCheck) {
    println!("\nsums of the run, minor units ({} orders, {} unsettled)", check.orders, check.unsettled);
    print_book("gateway", &check.gateway);
    print_book("card network", &check.ledger);
    match &check.answers {
        Some(answers) => print_book("answers", answers),
        None => println!("  {:<14}not compared: answers were lost", "answers"),
    }
    if check.equal {
        println!("  equal");
    }
    check.differences.iter().for_each(|difference| println!("  DIFFERENCE: {difference}"));
}

fn print_book(name: &str, sums: &Sums) {
    for (currency, sum) in sums {
        println!("  {name:<14}{currency}  held {}  captured {}  refunded {}", sum.held, sum.captured, sum.refunded);
    }
}

fn print_goals(report: &Report) {
    println!("\n{:<62}{:>10}{:>8}{:>8}", "goals", "measured", "goal", "aim");
    for goal in report.goals.iter().filter(|goal| goal.verdict != Verdict::NotMeasured) {
        let measured = goal.measured.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
        let verdict = goal.verdict.words();
        println!("{:<62}{measured:>10}{:>8}{:>8}  {verdict}", goal.what, goal.goal, goal.aim);
    }
}
