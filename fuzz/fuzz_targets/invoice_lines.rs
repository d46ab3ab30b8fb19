//! Whatever is sent as the lines of an invoice is read or refused without a panic; of what is read each line is the same when it is
//! written and read again, and the sums are those of the lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::invoice::{InvoiceLine, parse_lines, totals};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(lines) = parse_lines(text) else { return };
    for line in &lines {
        let InvoiceLine { description, unit_price_minor, discount_minor, .. } = line;
        let spelled =
            format!("{description};{};{unit_price_minor};{}%;{discount_minor}", line.quantity(), line.tax_percent());
        assert_eq!(InvoiceLine::parse(&spelled).as_ref(), Ok(line), "{spelled:?}");
    }
    let Ok(sums) = totals(&lines) else { return };
    let (mut net, mut tax, mut taxed) = (0, 0, 0);
    for one in &sums.lines {
        net += one.net_minor;
        tax += one.tax_minor;
    }
    for rate in &sums.taxes {
        taxed += rate.tax_minor;
    }
    assert_eq!((net, tax, taxed, net + tax), (sums.net_minor, sums.tax_minor, sums.tax_minor, sums.total_minor));
});
