//! Whatever unpacks packs again and unpacks to the same; whatever unpacks can be described, stored and read back.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tollgate_iso8583::{BerElements, Description, Message, Spec, Subelements};

static SPECS: LazyLock<Vec<Arc<Spec>>> =
    LazyLock::new(|| Spec::builtin_names().map(|name| Spec::builtin(name).expect("a built-in spec loads")).collect());

fuzz_target!(|data: &[u8]| {
    let (mut first, mut second) = (Message::new(), Message::new());
    let mut wire = Vec::new();
    for spec in SPECS.iter() {
        if spec.unpack(data, &mut first).is_err() {
            assert_eq!(first.field_count(), 0, "a message that failed is empty");
            continue;
        }
        wire.clear();
        spec.pack(&first, &mut wire).expect("what was unpacked can be packed");
        // A second bitmap without a field in it is read, and not written.
        assert!(wire.len() <= data.len());
        spec.unpack(&wire, &mut second).expect("what was packed can be unpacked");
        assert!(first == second, "{}", spec.name());
        let description = spec.describe(&first);
        let back = Description::from_compact(spec, &description.to_compact()).expect("a description can be stored");
        assert_eq!(back, description);
    }
    BerElements::new(data).for_each(drop);
    Subelements::new(data).for_each(drop);
});
