//! Loads on gateways that have much stored already.

use super::bed::{GatewayBed, IssuerBed};
use super::load::LoadPlan;
use super::report::{Report, StoredCards, StoredOrders, rounded};
use super::rotation;
use super::run::{AccountOf, Bench, OwnPlan, WithRotation, account_of, tell};
use super::script::Carts;
use super::sums::Books;
use crate::client::Target;
use crate::data_folder::DataFolder;
use crate::wiring::{self, Keep};
use anyhow::Context;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;
use tollgate_core::bin::Brand;
use tollgate_core::card::CardFacts;
use tollgate_core::ident::MerchantId;
use tollgate_core::page::AfterPayment;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_core::token::{Token, TokenId, TokenStatus};
use tollgate_store::StoredToken;
use tollgate_store_sqlite::ceiling::{CardFill, fill};
use tollgate_vault::SealedToken;

/// Cards stored in the gateway that the one with many is held against.
const CARDS_FEW: u64 = 10_000;
/// Cards sealed and stored at a time.
const CARDS_PER_COMMIT: u64 = 20_000;
/// YYMM: far off.
const EXPIRY: &str = "4512";
/// How far the gateway's numbers of the stored tokens lie apart.
const TOKEN_ID_GAP: i64 = 1_000;

/// The same load on a gateway of its own that has many orders stored.
///
/// # Errors
/// When the gateway cannot be started or filled, or does not answer.
pub async fn measure_orders(
    plan: &OwnPlan,
    scratch: &Path,
    issuer: &IssuerBed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let folder = scratch.join("filled");
    std::fs::create_dir(&folder)?;
    let gateway = GatewayBed::start(&folder, issuer.iso).await?;
    let data = gateway.data()?;
    let account = account_of(&data, &plan.common.merchant).await?;
    let stopped = gateway.stop().await?;
    tell(&format!("storing {} orders", plan.orders));
    let begun = Instant::now();
    fill_apart(&data, account.id, plan.orders).await?;
    let fill_seconds = rounded(begun.elapsed().as_secs_f64());
    let gateway = stopped.start().await?;
    let ledger = issuer.admin.to_string();
    let before = Books::read(&data, &ledger).await?;
    let mut bench = bench_of(plan, account, &gateway, issuer)?;
    let named = LoadPlan {
        name: format!("{} with {} stored orders", plan.common.mix.name(), plan.orders),
        ..bench.main_plan()
    };
    bench.load(named, report).await?;
    bench.check_sums(&data, &ledger, &before, report).await?;
    gateway.stop().await?;
    if let (Some(empty), Some(filled)) = (report.loads.first(), report.loads.last()) {
        report.stored_orders = Some(StoredOrders {
            orders: plan.orders,
            fill_seconds,
            empty_per_second: empty.per_second,
            filled_per_second: filled.per_second,
            ratio: ratio(filled.per_second, empty.per_second),
        });
    }
    Ok(())
}

/// The same load on two gateways of their own, with few and with many cards stored; and the rotation of the many
/// cards' keys, if it was asked for.
///
/// # Errors
/// As [`measure_orders`], and when the rotation fails.
pub async fn measure_cards(
    plan: &OwnPlan,
    scratch: &Path,
    issuer: &IssuerBed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let few = start_with_cards(plan, scratch, issuer, CARDS_FEW.min(plan.cards)).await?;
    let many = start_with_cards(plan, scratch, issuer, plan.cards).await?;
    let fill_seconds = many.fill_seconds;
    let (few_per_second, few_p99_us) = load_cards(few, issuer, WithRotation::LeftOut, report).await?;
    let (many_per_second, many_p99_us) = load_cards(many, issuer, plan.rotation, report).await?;
    report.stored_cards = Some(StoredCards {
        few: CARDS_FEW.min(plan.cards),
        cards: plan.cards,
        fill_seconds,
        few_per_second,
        few_p99_us,
        many_per_second,
        many_p99_us,
        ratio: ratio(many_per_second, few_per_second),
    });
    Ok(())
}

/// A gateway with stored cards, and who asks it.
struct WithCards {
    gateway: GatewayBed,
    bench: Bench,
    cards: u64,
    fill_seconds: f64,
}

async fn start_with_cards(plan: &OwnPlan, scratch: &Path, issuer: &IssuerBed, cards: u64) -> anyhow::Result<WithCards> {
    let folder = scratch.join(format!("cards-{cards}"));
    // When both have as many, the second one gets a folder of its own.
    let folder = if folder.exists() { scratch.join(format!("cards-{cards}-again")) } else { folder };
    std::fs::create_dir(&folder)?;
    let gateway = GatewayBed::start(&folder, issuer.iso).await?;
    let data = gateway.data()?;
    let account = account_of(&data, &plan.common.merchant).await?;
    let merchant = account.id;
    let mut bench = bench_of(plan, account, &gateway, issuer)?;
    let stopped = gateway.stop().await?;
    tell(&format!("sealing and storing {cards} cards"));
    let begun = Instant::now();
    bench.known_tokens = bench.carts.take(cards);
    fill_cards(&data, merchant, &bench.carts, bench.known_tokens.clone()).await?;
    let fill_seconds = rounded(begun.elapsed().as_secs_f64());
    let gateway = stopped.start().await?;
    bench.watched.gateway = Some(gateway.pid());
    Ok(WithCards { gateway, bench, cards, fill_seconds })
}

/// Loads the gateway, checks its books and stops it. Gives answers a second and p99 in microseconds.
async fn load_cards(
    mut with: WithCards,
    issuer: &IssuerBed,
    rotated: WithRotation,
    report: &mut Report,
) -> anyhow::Result<(f64, f64)> {
    let (data, ledger) = (with.gateway.data()?, issuer.admin.to_string());
    let before = Books::read(&data, &ledger).await?;
    let name = format!("{} with {} stored cards", with.bench.common.mix.name(), with.cards);
    let named = LoadPlan { name, ..with.bench.main_plan() };
    with.bench.load(named, report).await?;
    let seen = report.loads.last().map(|load| (load.per_second, load.latency.p99_us)).unwrap_or_default();
    if rotated == WithRotation::Measured {
        rotation::measure(&mut with.bench, &data, with.cards, report).await?;
    }
    with.bench.check_sums(&data, &ledger, &before, report).await?;
    with.gateway.stop().await?;
    Ok(seen)
}

fn bench_of(plan: &OwnPlan, account: AccountOf, gateway: &GatewayBed, issuer: &IssuerBed) -> anyhow::Result<Bench> {
    let mut bench = Bench::new(plan.common.clone(), account.signer, Target::parse(&gateway.url, None)?)?;
    bench.watched.gateway = Some(gateway.pid());
    bench.watched.issuer = Some(issuer.pid());
    Ok(bench)
}

async fn fill_apart(data: &DataFolder, merchant: MerchantId, orders: u64) -> anyhow::Result<()> {
    let database = data.database();
    // Numbers far from those of any run's references, which are drawn at random.
    let filled = tokio::task::spawn_blocking(move || fill(&database, merchant, 0, orders)).await;
    Ok(filled.context("the filling broke off")??)
}

/// Keeps a card for each of these numbers, sealed by the folder's own vault, under the names that the load asks for.
async fn fill_cards(data: &DataFolder, merchant: MerchantId, carts: &Carts, numbers: Range<u64>) -> anyhow::Result<()> {
    let opened = wiring::open(data, Keep::Existing).await?;
    let now = opened.clock.now();
    let database = data.database();
    let mut filling = CardFill::begin(&database)?;
    let mut begin = numbers.start;
    while begin < numbers.end {
        let end = numbers.end.min(begin + CARDS_PER_COMMIT);
        let mut tokens = Vec::with_capacity(usize::try_from(end - begin).unwrap_or_default());
        for number in begin..end {
            let cart = carts.cart(number);
            let place = i64::try_from(number - numbers.start).unwrap_or(i64::MAX);
            let id = TokenId(place.saturating_add(1).saturating_mul(TOKEN_ID_GAP));
            let sealed = opened.vault.seal_token_digits(merchant, id, &cart.card, now).await?;
            let sealed = sealed.context("a made card number is none")?;
            tokens.push(kept(merchant, id, cart.token_name(), sealed, now));
        }
        filling = tokio::task::spawn_blocking(move || filling.add(&tokens).map(|()| filling))
            .await
            .context("the filling broke off")??;
        begin = end;
    }
    wiring::close(opened).await;
    let finished = tokio::task::spawn_blocking(move || filling.finish(&database)).await;
    Ok(finished.context("the filling broke off")??)
}

fn kept(merchant: MerchantId, id: TokenId, name: String, sealed: SealedToken, now: Timestamp) -> StoredToken {
    let holder = Some("Layla Haddad".to_owned());
    let token = Token {
        id,
        merchant,
        name,
        status: TokenStatus::Active,
        lapses_at: None,
        after_payment: AfterPayment::Keep,
        card: CardFacts { mask: sealed.mask, expiry: EXPIRY.to_owned(), holder, brand: Brand::Visa },
        bin: sealed.bin,
        currency: None,
        first_payment: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    StoredToken { token, card: sealed.card, fingerprint: sealed.fingerprint }
}

fn ratio(filled: f64, empty: f64) -> f64 {
    (filled / empty.max(1e-9) * 1e3).round() / 1e3
}
