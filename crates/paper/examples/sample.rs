//! Writes the same paper in both languages, to be looked at: `cargo run -p tollgate-paper --example sample -- FOLDER`.

use std::path::PathBuf;
use tollgate_paper::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    for (name, language) in [("en", PaperLanguage::English), ("ar", PaperLanguage::Arabic)] {
        let path = folder.join(format!("sample-{name}.pdf"));
        std::fs::write(&path, sample(language).pdf()?)?;
        println!("{}", path.display());
    }
    Ok(())
}

fn sample(language: PaperLanguage) -> Paper {
    let own = |english: &str, arabic: &str| match language {
        PaperLanguage::English => english.to_owned(),
        PaperLanguage::Arabic => arabic.to_owned(),
    };
    let entry = |label: String, value: String| Entry { label: Some(label), value, weight: Weight::Regular };
    let column = |title: String, width_milli, side| Column { title, width_milli, side };
    let row = |text: String, quantity: &str, price: &str, net: &str| TableRow {
        cells: vec![text, quantity.to_owned(), price.to_owned(), "5%".to_owned(), net.to_owned()],
        note: Some(own("Discount 5.00", "خصم 5.00")),
    };
    let mut rows = vec![
        row(own("Novel, hard cover (2nd edition)", "رواية بغلاف مقوّى (الطبعة 2)"), "2", "35.00", "70.00"),
        row(
            own("Postage to Al Ain", "شحن إلى مدينة العين مع التغليف والتأمين والتسليم في اليوم نفسه"),
            "1",
            "15.00",
            "10.00",
        ),
    ];
    rows.extend((3..40).map(|number| row(format!("Item {number} من القائمة"), "0.125", "1,234.50", "154.31")));
    Paper {
        title: own("Invoice INV-7", "فاتورة INV-7"),
        author: "Al Noor Books".to_owned(),
        language,
        day: PaperDay { year: 2026, month: 11, day: 26 },
        blocks: vec![
            Block::Heading(own("Invoice", "فاتورة")),
            Block::Columns {
                first: vec![
                    Entry {
                        label: Some(own("Seller", "البائع")),
                        value: own("Al Noor Books L.L.C", "مكتبة النور ش.ذ.م.م"),
                        weight: Weight::Bold,
                    },
                    entry(own("Tax number", "الرقم الضريبي"), "100123456700003".to_owned()),
                ],
                second: vec![
                    entry(own("Invoice number", "رقم الفاتورة"), "INV-2026/7".to_owned()),
                    entry(own("Due date", "تاريخ الاستحقاق"), "2027-01-31".to_owned()),
                ],
            },
            Block::Table(Table {
                columns: vec![
                    column(own("Description", "الوصف"), 400, Side::Start),
                    column(own("Quantity", "الكمية"), 110, Side::End),
                    column(own("Unit price", "سعر الوحدة"), 190, Side::End),
                    column(own("Tax", "الضريبة"), 90, Side::End),
                    column(own("Net amount", "الصافي"), 210, Side::End),
                ],
                rows,
            }),
            Block::Sums(vec![
                Sum {
                    label: own("Tax 5%", "ضريبة 5%"), value: own("AED 4.00", "4.00 د.إ"), weight: Weight::Regular
                },
                Sum {
                    label: own("Total", "الإجمالي"), value: own("AED 84.00", "84.00 د.إ"), weight: Weight::Bold
                },
            ]),
            Block::Code {
                content: "https://pay.example/pay/Jn0Yb1pGqvZ3tD5sK8wXcR2mLhTfUe7oAiQ9yN4kB6g".to_owned(),
                words: vec![Entry {
                    label: None,
                    value: own("Scan the code with your phone to pay.", "امسح الرمز بهاتفك للدفع."),
                    weight: Weight::Bold,
                }],
            },
        ],
    }
}
