//! The routes by which merchants' payments come, each with its first use and its last.

use tollgate_core::ident::MerchantId;
use tollgate_core::scope::{Route, Use, UsedRoute};

/// By which route a card came that is kept without an order. Written in the commit that keeps the card, and only if that
/// keeps it; of the uses of a merchant's route the first and the last stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteNote {
    /// The route.
    pub route: Route,
    /// Its use.
    pub used: Use,
}

/// A route of a merchant, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRow {
    /// The merchant.
    pub merchant: MerchantId,
    /// The route with its uses.
    pub used: UsedRoute,
}
