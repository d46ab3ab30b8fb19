//! The options of `tollgate merchant set` that say who sells, as it stands on invoices.

use clap::Args;
use tollgate_core::invoice::Seller;

/// Who sells, as it stands on invoices of payment links.
#[derive(Debug, Args)]
pub struct SellerArgs {
    /// The seller's name on invoices; 'none' goes back to the shop's name on our pages
    #[arg(long, value_name = "TEXT|none")]
    seller_name: Option<String>,
    /// The seller's address on invoices, in one line; 'none' removes it
    #[arg(long, value_name = "TEXT|none")]
    seller_address: Option<String>,
    /// The seller's number at the tax office; 'none' removes it
    #[arg(long, value_name = "TEXT|none")]
    tax_number: Option<String>,
}

impl SellerArgs {
    /// Changes `seller` as the options say.
    pub fn change(&self, seller: &mut Seller) {
        for (field, given) in [
            (&mut seller.name, &self.seller_name),
            (&mut seller.address, &self.seller_address),
            (&mut seller.tax_number, &self.tax_number),
        ] {
            match given.as_deref() {
                None => {}
                Some("none") => *field = None,
                Some(text) => *field = Some(text.to_owned()),
            }
        }
    }
}

/// Prints what a person wants to know of `seller`.
pub fn print(seller: &Seller) {
    println!("{:<22}{}", "seller's name", seller.name.as_deref().unwrap_or("as on our pages"));
    println!("{:<22}{}", "seller's address", seller.address.as_deref().unwrap_or("none"));
    println!("{:<22}{}", "tax number", seller.tax_number.as_deref().unwrap_or("none"));
}
