//! The routes by which merchants' payments come, each with its first use and its last.

use tollgate_core::ident::MerchantId;
use tollgate_core::scope::UsedRoute;

/// A route of a merchant, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRow {
    /// The merchant.
    pub merchant: MerchantId,
    /// The route with its uses.
    pub used: UsedRoute,
}
