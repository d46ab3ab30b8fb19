//! What the gateway charges by itself, on the real binary: a year of subscriptions on the sandbox clock, against a calendar
//! of the test's own; and a gateway killed while it charges.

use crate::support::card_network::CardNetwork;
use crate::support::chance::{Chance, seed_from};
use crate::support::receiver::{QUICK_FEEDBACK, Receiver};
use crate::support::secrets::{Forbidden, Sink, files};
use crate::support::{Gateway, Merchant, QUICK, accounts, books, field, payment, wait_within};
use calendar::{Cycle, days, written};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest wait for one step of the clock.
const STEP_MAX: Duration = Duration::from_secs(120);

/// One subscription of the year.
struct Subscription {
    id: String,
    shop: usize,
    /// `recurring_billing_cycle`, and the same for the calendar of the test.
    cycle: &'static str,
    own: Cycle,
    /// `recurring_first_charge_date`.
    first: Option<&'static str>,
    /// `recurring_transactions_count`.
    count: usize,
    /// `recurring_expiry_date`.
    last: Option<&'static str>,
    mode: &'static str,
    card: String,
    events: Vec<(&'static str, Event)>,
}

/// What happens to a subscription, at the first step of the clock that is on this day or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The network declines so many messages of its card with this code.
    Decline {
        code: &'static str,
        count: u32,
    },
    /// It is paused, resumed or cancelled by UPDATE_AGREEMENT.
    Pause,
    Resume,
    Cancel,
    /// Its charges are of another amount.
    Amount(u64),
    /// It gets another card, and is resumed.
    NextCard,
    /// Its token is switched off.
    TokenOff,
    /// What the card's declines lead to by then: it is paused by the gateway.
    StoppedOn(&'static str),
}

/// When the year begins, in all three zones on the same day.
const BEGIN: &str = "2027-01-31";
/// The last day that is looked at.
const END: &str = "2028-02-20";
/// For so many days the clock moves day by day, then week by week.
const DAYS_SINGLE: i64 = 70;
const AMOUNT: u64 = 4_900;
const SHOPS: [(&str, &str, &str); 3] =
    [("demo", "Asia/Dubai", "9"), ("auckland", "Pacific/Auckland", "8"), ("newyork", "America/New_York", "2")];

#[test]
fn a_year_of_subscriptions_charges_each_due_date_once() {
    let receiver = Receiver::start();
    let gateway = Gateway::start_with(&[&QUICK[..], &QUICK_FEEDBACK[..]].concat());
    set_clock(&gateway, &format!("{BEGIN}T06:00:00Z"));
    let shops: Vec<Merchant> =
        SHOPS.iter().map(|(name, zone, hour)| open_shop(&gateway, &receiver, name, zone, hour)).collect();
    let subscriptions = subscriptions();
    let mut orders: Vec<Vec<String>> = vec![Vec::new(); shops.len()];
    for subscription in &subscriptions {
        let answer = gateway.call(&shops[subscription.shop], &opening(subscription));
        assert_eq!(field(&answer, "response_code"), "14000", "{}: {answer:?}", subscription.id);
        assert_eq!(field(&answer, "agreement_id"), subscription.id);
        assert_eq!(field(&answer, "recurring_billing_cycle"), subscription.cycle, "it is echoed");
        orders[subscription.shop].push(field(&answer, "fort_id").to_owned());
    }
    let mut done: BTreeMap<(String, usize), i64> = BTreeMap::new();
    let (mut day, end) = (days(BEGIN), days(END));
    while day < end {
        for subscription in &subscriptions {
            for (place, (from, event)) in subscription.events.iter().enumerate() {
                let key = (subscription.id.clone(), place);
                if days(from) <= day && !done.contains_key(&key) {
                    carry_out(
                        &gateway,
                        &shops[subscription.shop],
                        subscription,
                        *event,
                        &mut orders[subscription.shop],
                    );
                    done.insert(key, day);
                }
            }
        }
        day += if day - days(BEGIN) < DAYS_SINGLE { 1 } else { 7 };
        // Half past nine in Dubai, and before two in New York.
        set_clock(&gateway, &format!("{}T05:30:00Z", written(day)));
        wait_until_idle(&gateway);
    }
    let told = feedback(&gateway, &receiver, &shops);
    let mut charged_in_all = 0;
    for subscription in &subscriptions {
        let until = if SHOPS[subscription.shop].0 == "newyork" { day - 1 } else { day };
        let expected = expected(subscription, &done, until);
        let charged: Vec<i64> =
            told.charges.get(&subscription.id).into_iter().flatten().map(|charge| charge.due).collect();
        let shown = |days: &[i64]| days.iter().map(|day| written(*day)).collect::<Vec<_>>();
        assert_eq!(shown(&charged), shown(&expected), "{} ({})", subscription.id, subscription.cycle);
        charged_in_all += charged.len();
        for charge in told.charges.get(&subscription.id).into_iter().flatten() {
            assert_eq!(
                charge.amount,
                amount_on(subscription, &done, charge.due),
                "{} on {}",
                subscription.id,
                written(charge.due)
            );
        }
    }
    eprintln!("{charged_in_all} due dates of {} subscriptions were charged", subscriptions.len());
    assert!(charged_in_all > 800);
    notices_come_once(&subscriptions, &told);
    stops_are_told(&subscriptions, &told);
    for (place, shop) in shops.iter().enumerate() {
        orders[place].extend(told.orders[place].iter().cloned());
        let own: Vec<&Subscription> = subscriptions.iter().filter(|subscription| subscription.shop == place).collect();
        books_are_equal(&gateway, shop, &own, &orders[place]);
    }
    let cards: Vec<String> = subscriptions.iter().flat_map(|own| [own.card.clone(), next_card(own)]).collect();
    let mut sinks = files(&gateway.data);
    sinks.push(Sink::text("the gateway's output", gateway.output()));
    sinks
        .extend(receiver.received().into_iter().map(|request| Sink { name: "a feedback".into(), bytes: request.body }));
    // The sandbox network keeps accounts by keys of its own, and is no part of the gateway's data.
    Forbidden::new(&cards, &[]).assert_in_none(&sinks);
}

/// The gateway's orders of a shop are what the network's ledger says of the cards of its subscriptions.
fn books_are_equal(gateway: &Gateway, shop: &Merchant, own: &[&Subscription], orders: &[String]) {
    let masks: Vec<String> = own.iter().flat_map(|own| [masked(&own.card), masked(&next_card(own))]).collect();
    let masks: Vec<&str> = masks.iter().map(String::as_str).collect();
    let network = books::of_card_network(|path| gateway.issuer(path), &masks);
    books::assert_equal(gateway, shop, orders, &network);
}

/// How many subscriptions fall due on one day, and how often the gateway is killed while it charges them.
const DUE_AT_ONCE: usize = 60;
const LIVES: u64 = 6;

#[test]
fn a_gateway_killed_while_it_charges_charges_each_due_date_once() {
    let mut chance = Chance::new(seed_from("TOLLGATE_KILL_SEED"), 91);
    let folder = tempfile::tempdir().unwrap();
    let network = CardNetwork::start(&folder.path().join("network"), &[]);
    let data = folder.path().join("data");
    let mut environment = QUICK.to_vec();
    environment.push(("TOLLGATE_ACQUIRER_ADDRESS", &network.iso));
    // Slow enough that there is something to charge in several lives, also where this test waits for its turn on a core.
    environment.push(("TOLLGATE_SCHEDULES_CHARGES_PER_SECOND_MAX", "10"));
    let serve = || Gateway::serve(&data, &["--dev", "--no-issuer"], &environment);
    let mut gateway = serve();
    let demo = gateway.demo();
    for number in 0..DUE_AT_ONCE {
        let (reference, id, card) = (format!("first-{number}"), format!("S-{number}"), card(number));
        let mut params = payment("PURCHASE", &reference, "4900", &card);
        params.extend([
            ("recurring_mode", "FIXED"),
            ("recurring_transactions_count", "9"),
            ("recurring_billing_cycle", "MONTHLY"),
            ("agreement_id", id.as_str()),
        ]);
        assert_eq!(field(&gateway.call(&demo, &params), "response_code"), "14000");
    }
    let entries = || network.get("/ledger/totals")["entries"].as_u64().unwrap();
    gateway.run_well(&["clock", "advance", "32d"]);
    let (mut loose_ends, mut killed_with_dues_left) = (0, 0);
    for life in 0..LIVES {
        let goal = entries() + chance.below(DUE_AT_ONCE as u64 / 6);
        wait_within(STEP_MAX, "due dates are charged", || (entries() >= goal || waiting(&gateway) == 0).then_some(()));
        gateway.kill();
        let said = gateway.output();
        assert!(!said.contains("panicked at"), "a defect of ours: {said}");
        let left = unpaid(&gateway);
        killed_with_dues_left += usize::from(left > 0);
        eprintln!("life {life} ended with {left} due dates left");
        gateway = serve();
        loose_ends += usize::from(gateway.output().contains("operations without an outcome were found"));
    }
    eprintln!("{loose_ends} lives left operations without an outcome");
    assert!(killed_with_dues_left > 1, "it was killed while it charged");
    // What was reversed is tried again some minutes later.
    wait_within(STEP_MAX, "each due date is charged", || {
        if waiting(&gateway) == 0 && unpaid(&gateway) > 0 {
            gateway.run_well(&["clock", "advance", "10m"]);
        }
        (unpaid(&gateway) == 0 && open(&gateway) == 0).then_some(())
    });
    let approved =
        "SELECT count(*), count(DISTINCT agreement || '.' || due_day) FROM schedule_attempts WHERE state = 1";
    let (charges, dues): (i64, i64) = query(&gateway, approved, |row| (row.get(0).unwrap(), row.get(1).unwrap()));
    assert_eq!((charges, dues), (DUE_AT_ONCE as i64, DUE_AT_ONCE as i64), "each due date once");
    let masks: Vec<String> = (0..DUE_AT_ONCE).map(|number| masked(&card(number))).collect();
    let masks: Vec<&str> = masks.iter().map(String::as_str).collect();
    let sums = books::of_card_network(|path| network.get(path), &masks);
    assert_eq!(sums.len(), 2 * DUE_AT_ONCE, "the first payment and one charge of each");
    assert!(sums.values().all(|sum| *sum == books::Sums::taken(4_900)), "{sums:?}");
    assert!(gateway.stop(), "the gateway ends well");
    let cards: Vec<String> = (0..DUE_AT_ONCE).map(card).collect();
    Forbidden::new(&cards, &[]).assert_in_none(&files(&data));
}

fn open_shop(gateway: &Gateway, receiver: &Receiver, name: &str, zone: &str, hour: &str) -> Merchant {
    if name == "demo" {
        accounts::activate_trusted_channel(gateway, name);
    } else {
        accounts::add(gateway, name, &[]);
    }
    let url = receiver.url(&format!("/{name}"));
    accounts::set(
        gateway,
        name,
        &[
            "--tokens",
            "on",
            "--time-zone",
            zone,
            "--charge-hour",
            hour,
            "--upcoming-notice-days",
            "3",
            "--direct-feedback-url",
            &url,
            "--notification-feedback-url",
            &url,
        ],
    );
    Merchant::show(gateway, name)
}

/// Every kind of cycle in every zone, and stories.
fn subscriptions() -> Vec<Subscription> {
    let mut all: Vec<Subscription> = Vec::new();
    let add = |all: &mut Vec<Subscription>, shop: usize, cycle: &'static str, own: Cycle| {
        let number = all.len();
        all.push(Subscription {
            id: format!("SUB-{shop}-{number}"),
            shop,
            cycle,
            own,
            first: None,
            count: 900,
            last: None,
            mode: "VARIABLE",
            card: card(number),
            events: Vec::new(),
        });
        number
    };
    for shop in 0..SHOPS.len() {
        for (cycle, own) in [
            ("MONTHLY", Cycle::Months(1)),
            ("WEEKLY", Cycle::Days(7)),
            ("2 WEEKLY", Cycle::Days(14)),
            ("3 MONTHLY", Cycle::Months(3)),
            ("YEARLY", Cycle::Months(12)),
            ("FREQ=MONTHLY;BYDAY=-1FR", Cycle::LastFriday),
        ] {
            add(&mut all, shop, cycle, own);
        }
    }
    add(&mut all, 0, "DAILY", Cycle::Days(1));
    add(&mut all, 2, "3 DAILY", Cycle::Days(3));
    let number = add(&mut all, 1, "DAILY", Cycle::Days(1));
    all[number].count = 40;
    let number = add(&mut all, 2, "MONTHLY", Cycle::Months(1));
    (all[number].last, all[number].mode) = (Some("2027-07-15"), "FIXED");
    for (first, events) in [
        ("2027-02-14", vec![("2027-02-13", Event::Decline { code: "51", count: 1 })]),
        (
            "2027-02-20",
            vec![
                ("2027-02-19", Event::Decline { code: "41", count: 1 }),
                ("2027-02-20", Event::StoppedOn("2027-02-20")),
                ("2027-04-05", Event::NextCard),
            ],
        ),
        (
            "2027-02-10",
            vec![
                ("2027-02-09", Event::Decline { code: "51", count: 4 }),
                ("2027-02-17", Event::StoppedOn("2027-02-10")),
                ("2027-06-01", Event::Resume),
            ],
        ),
        ("2027-02-28", vec![("2027-03-01", Event::Pause), ("2027-08-10", Event::Resume)]),
        ("2027-03-05", vec![("2027-09-06", Event::Cancel)]),
        ("2027-03-06", vec![("2027-05-01", Event::Amount(5_900))]),
        ("2027-03-07", vec![("2027-04-20", Event::TokenOff), ("2027-05-07", Event::StoppedOn("2027-05-07"))]),
    ] {
        let number = add(&mut all, 0, "MONTHLY", Cycle::Months(1));
        (all[number].first, all[number].events) = (Some(first), events);
    }
    all
}

fn opening(subscription: &Subscription) -> Vec<(&str, &str)> {
    let id = subscription.id.as_str();
    let mut params = payment("PURCHASE", id, "4900", &subscription.card);
    params.extend([
        ("agreement_id", id),
        ("token_name", id),
        ("recurring_mode", subscription.mode),
        ("recurring_billing_cycle", subscription.cycle),
        ("recurring_transactions_count", if subscription.count == 40 { "40" } else { "900" }),
    ]);
    params.extend(subscription.first.map(|first| ("recurring_first_charge_date", first)));
    params.extend(subscription.last.map(|last| ("recurring_expiry_date", last)));
    params
}

fn carry_out(gateway: &Gateway, shop: &Merchant, subscription: &Subscription, event: Event, orders: &mut Vec<String>) {
    let id = subscription.id.as_str();
    let update = |more: &[(&str, &str)]| {
        let all = [&[("service_command", "UPDATE_AGREEMENT"), ("agreement_id", id)], more].concat();
        let answer = gateway.call(shop, &all);
        assert_eq!(field(&answer, "response_code"), "58000", "{id} {event:?}: {answer:?}");
    };
    match event {
        Event::Decline { code, count } => {
            let (behaviour, count, mask) = (format!("decline:{code}"), count.to_string(), masked(&subscription.card));
            gateway.run_well(&["fault", "set", "--behaviour", &behaviour, "--count", &count, "--card", &mask]);
        }
        Event::Pause => update(&[("agreement_status", "PAUSED")]),
        Event::Resume => update(&[("agreement_status", "ACTIVE")]),
        Event::Cancel => update(&[("agreement_status", "CANCELLED")]),
        Event::Amount(amount) => update(&[("recurring_amount", &amount.to_string())]),
        Event::NextCard => {
            let (card, token) = (next_card(subscription), format!("{id}-next"));
            let mut params = payment("PURCHASE", &token, "100", &card);
            params.push(("token_name", &token));
            let answer = gateway.call(shop, &params);
            assert_eq!(field(&answer, "response_code"), "14000", "{answer:?}");
            orders.push(field(&answer, "fort_id").to_owned());
            update(&[("token_name", &token), ("agreement_status", "ACTIVE")]);
        }
        Event::TokenOff => {
            let off = [
                ("service_command", "UPDATE_TOKEN"),
                ("token_name", id),
                ("token_status", "INACTIVE"),
                ("merchant_reference", id),
            ];
            let answer = gateway.call(shop, &off);
            assert_eq!(field(&answer, "response_code"), "58000", "{answer:?}");
        }
        Event::StoppedOn(_) => {
            let answer = gateway.call(shop, &[("query_command", "CHECK_AGREEMENT"), ("agreement_id", id)]);
            assert_eq!(field(&answer, "agreement_status"), "PAUSED", "{id}: {answer:?}");
        }
    }
}

/// The due days that have to be charged up to a day, by the calendar of the test.
fn expected(subscription: &Subscription, done: &BTreeMap<(String, usize), i64>, until: i64) -> Vec<i64> {
    let begin = days(BEGIN);
    let anchor = subscription.first.map_or(begin, days);
    let after = if subscription.first.is_some() { begin } else { anchor };
    let on = |place: usize| done.get(&(subscription.id.clone(), place)).copied();
    let mut out: Vec<i64> = Vec::new();
    for due in subscription.own.dues(anchor, until).into_iter().filter(|due| *due > after) {
        let mut is_charged = subscription.last.is_none_or(|last| due <= days(last)) && out.len() < subscription.count;
        let mut resting_since: Option<i64> = None;
        for (place, (_, event)) in subscription.events.iter().enumerate() {
            let Some(day) = on(place) else { continue };
            match event {
                Event::Pause => resting_since = Some(day + 1),
                Event::StoppedOn(stopped) => resting_since = Some(days(stopped)),
                Event::Resume | Event::NextCard => {
                    if let Some(since) = resting_since.take() {
                        is_charged &= !(since..day).contains(&due);
                    }
                }
                Event::Cancel => is_charged &= due <= day,
                Event::Decline { .. } | Event::Amount(_) | Event::TokenOff => {}
            }
        }
        is_charged &= resting_since.is_none_or(|since| due < since);
        if is_charged {
            out.push(due);
        }
    }
    out
}

fn amount_on(subscription: &Subscription, done: &BTreeMap<(String, usize), i64>, due: i64) -> u64 {
    let changed = subscription.events.iter().enumerate().find_map(|(place, (_, event))| match event {
        Event::Amount(amount) if due > done[&(subscription.id.clone(), place)] => Some(*amount),
        _ => None,
    });
    changed.unwrap_or(AMOUNT)
}

/// A due date that was charged, as feedback tells it.
struct Charge {
    due: i64,
    amount: u64,
}

/// What the merchants' servers heard.
struct Told {
    /// By agreement, in the order of the due dates.
    charges: BTreeMap<String, Vec<Charge>>,
    /// Every order that the gateway began, by shop.
    orders: Vec<Vec<String>>,
    /// What was told of schedules: agreement, event, due date, note.
    news: Vec<(String, String, i64, String)>,
}

fn feedback(gateway: &Gateway, receiver: &Receiver, shops: &[Merchant]) -> Told {
    wait_within(STEP_MAX, "all feedback is delivered", || {
        let left: i64 = query(gateway, "SELECT count(*) FROM feedbacks WHERE state <> 1", |row| row.get(0).unwrap());
        (left == 0).then_some(())
    });
    let mut told = Told { charges: BTreeMap::new(), orders: vec![Vec::new(); shops.len()], news: Vec::new() };
    let mut attempts: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut heard: BTreeSet<(String, String)> = BTreeSet::new();
    for request in receiver.received() {
        let body: Map<String, Value> = request.json();
        let shop = SHOPS.iter().position(|(name, ..)| request.path == format!("/{name}")).unwrap();
        shops[shop].check(&body);
        let id = body.get("agreement_id").map(|_| field(&body, "agreement_id").to_owned()).unwrap_or_default();
        if body.get("service_command").is_some_and(|name| name == "AGREEMENT_NOTIFICATION") {
            assert_eq!(field(&body, "response_code"), "58000", "{body:?}");
            assert!(body.get("fort_id").is_none(), "{body:?}");
            let note =
                body.get("agreement_note").map(|_| field(&body, "agreement_note").to_owned()).unwrap_or_default();
            assert!(body.contains_key("recurring_due_date"), "{body:?}");
            let due = days(field(&body, "recurring_due_date"));
            told.news.push((id, field(&body, "agreement_event").to_owned(), due, note));
            continue;
        }
        let (fort_id, code) = (field(&body, "fort_id").to_owned(), field(&body, "response_code").to_owned());
        if body.get("eci").is_none_or(|eci| eci != "RECURRING") || !heard.insert((fort_id.clone(), code.clone())) {
            continue;
        }
        assert_eq!(field(&body, "customer_email"), "jo@example.org");
        assert!(body.contains_key("recurring_due_date") && body.contains_key("recurring_attempt"), "{body:?}");
        let told_as = |name| field(&body, name).to_owned();
        let (due, attempt) = (told_as("recurring_due_date"), told_as("recurring_attempt"));
        assert!(attempts.insert((id.clone(), due.clone(), attempt)), "an attempt was made twice: {body:?}");
        told.orders[shop].push(fort_id);
        if code == "14000" {
            let amount = field(&body, "amount").parse().unwrap();
            told.charges.entry(id).or_default().push(Charge { due: days(&due), amount });
        }
    }
    for charges in told.charges.values_mut() {
        charges.sort_by_key(|charge| charge.due);
        assert!(charges.windows(2).all(|pair| pair[0].due < pair[1].due), "a due date was charged twice");
    }
    told
}

/// While the clock moved day by day, each due date of a month and more was told of before, once; and no later one twice.
fn notices_come_once(subscriptions: &[Subscription], told: &Told) {
    let mut seen: BTreeSet<(&str, i64)> = BTreeSet::new();
    for (id, event, due, _) in &told.news {
        assert!(event != "UPCOMING" || seen.insert((id, *due)), "{id} was told of {} twice", written(*due));
    }
    let single = days(BEGIN) + 5..days(BEGIN) + DAYS_SINGLE;
    for subscription in subscriptions.iter().filter(|one| matches!(one.own, Cycle::Months(_) | Cycle::LastFriday)) {
        for charge in told.charges.get(&subscription.id).into_iter().flatten() {
            let is_told = seen.contains(&(subscription.id.as_str(), charge.due));
            assert!(is_told || !single.contains(&charge.due), "{}: {}", subscription.id, written(charge.due));
        }
    }
}

/// What stopped a schedule, and what its merchant did, was told.
fn stops_are_told(subscriptions: &[Subscription], told: &Told) {
    let of = |first: &str| &subscriptions.iter().find(|one| one.first == Some(first)).unwrap().id;
    let heard = |first: &str, event: &str, note: &str| {
        let id = of(first);
        assert!(
            told.news.iter().any(|(other, told, _, why)| other == id && told == event && why == note),
            "{id} {event} {note}: {:?}",
            told.news.iter().filter(|(other, ..)| other == id).collect::<Vec<_>>()
        );
    };
    heard("2027-02-20", "PAUSED", "hard decline");
    heard("2027-02-20", "RESUMED", "");
    heard("2027-02-10", "PAUSED", "dunning plan used up");
    heard("2027-02-28", "PAUSED", "asked for");
    heard("2027-02-28", "RESUMED", "");
    heard("2027-03-05", "ENDED", "cancelled");
    heard("2027-03-07", "PAUSED", "token not usable");
    let ended =
        |event: &str, note: &str| told.news.iter().filter(|(_, told, _, why)| told == event && why == note).count();
    assert_eq!(ended("ENDED", "completed"), 1, "the one of 40 charges");
    assert_eq!(ended("ENDED", "expired"), 1, "the one until July");
}

fn set_clock(gateway: &Gateway, at: &str) {
    gateway.run_well(&["clock", "set", at]);
}

/// Waits until everything that is due is charged and settled.
fn wait_until_idle(gateway: &Gateway) {
    wait_within(STEP_MAX, "all that is due is charged", || (waiting(gateway) == 0 && open(gateway) == 0).then_some(()));
}

/// How many schedules have something to do by the gateway's clock.
fn waiting(gateway: &Gateway) -> i64 {
    let shown = gateway.run(&["clock", "show", "--format", "json"]);
    // A gateway that was killed keeps its clock: then everything that waits counts.
    let now = serde_json::from_slice::<Value>(&shown.stdout)
        .ok()
        .and_then(|shown| tollgate_core::time::Timestamp::parse_utc(shown["now"].as_str()?).map(|at| at.0));
    let sql = format!("SELECT count(*) FROM schedules WHERE next_at <= {}", now.unwrap_or(i64::MAX));
    query(gateway, &sql, |row| row.get(0).unwrap())
}

/// How many attempts have no outcome.
fn open(gateway: &Gateway) -> i64 {
    query(gateway, "SELECT count(*) FROM schedule_attempts WHERE state = 0", |row| row.get(0).unwrap())
}

/// How many schedules have no charge yet.
fn unpaid(gateway: &Gateway) -> i64 {
    let sql = "SELECT count(*) FROM schedules WHERE NOT EXISTS (SELECT 1 FROM schedule_attempts \
               WHERE schedule_attempts.agreement = schedules.agreement AND schedule_attempts.state = 1)";
    query(gateway, sql, |row| row.get(0).unwrap())
}

fn query<T>(gateway: &Gateway, sql: &str, read: impl FnOnce(&rusqlite::Row<'_>) -> T) -> T {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(gateway.data.join("tollgate.db"), flags).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database.query_row(sql, [], |row| Ok(read(row))).unwrap()
}

/// A card number of the sandbox that is approved, one for each number below 400.
fn card(number: usize) -> String {
    let digits = format!("400555100000{number:03}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = if place % 2 == 0 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Another card of the same customer.
fn next_card(subscription: &Subscription) -> String {
    let number: usize = subscription.card[12..15].parse().unwrap();
    card(number + 400)
}

fn masked(card: &str) -> String {
    format!("{}******{}", &card[..6], &card[card.len() - 4..])
}

/// A calendar of the test's own: days are counted from 1970-01-01.
mod calendar {
    /// How often something falls due.
    #[derive(Clone, Copy, Debug)]
    pub enum Cycle {
        Days(i64),
        Months(i64),
        LastFriday,
    }

    impl Cycle {
        /// The due days from the anchor on, up to a day.
        pub fn dues(self, anchor: i64, until: i64) -> Vec<i64> {
            let (year, month, day) = date(anchor);
            let nth = |nth: i64| match self {
                Cycle::Days(step) => anchor + nth * step,
                Cycle::Months(step) => {
                    let months = year * 12 + month - 1 + nth * step;
                    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
                    number(year, month, day.min(length(year, month)))
                }
                Cycle::LastFriday => {
                    let months = year * 12 + month - 1 + nth;
                    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
                    let last = number(year, month, length(year, month));
                    // 1970-01-01 was a Thursday: day 1 was a Friday.
                    last - (last - 1).rem_euclid(7)
                }
            };
            (0..).map(nth).take_while(|due| *due <= until).filter(|due| *due >= anchor).collect()
        }
    }

    /// The number of `YYYY-MM-DD`.
    pub fn days(text: &str) -> i64 {
        let part = |range: std::ops::Range<usize>| text[range].parse().unwrap();
        number(part(0..4), part(5..7), part(8..10))
    }

    /// A number as `YYYY-MM-DD`.
    pub fn written(day: i64) -> String {
        let (year, month, day) = date(day);
        format!("{year:04}-{month:02}-{day:02}")
    }

    fn leap(year: i64) -> bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    fn length(year: i64, month: i64) -> i64 {
        match month {
            2 => 28 + i64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn number(year: i64, month: i64, day: i64) -> i64 {
        let years: i64 = (1970..year).map(|year| 365 + i64::from(leap(year))).sum();
        years + (1..month).map(|month| length(year, month)).sum::<i64>() + day - 1
    }

    fn date(mut left: i64) -> (i64, i64, i64) {
        let mut year = 1970;
        while left >= 365 + i64::from(leap(year)) {
            left -= 365 + i64::from(leap(year));
            year += 1;
        }
        let mut month = 1;
        while left >= length(year, month) {
            left -= length(year, month);
            month += 1;
        }
        (year, month, left + 1)
    }
}
