//! Whatever comes as a FORT body is read or refused without a panic, and what is read reads back the same from JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_fort::command::{Request, safe_params};
use tollgate_fort::message::Message;
use tollgate_fort::response::{Echo, render};
use tollgate_fort::service::{Service, identify, validate};
use tollgate_fort::text::Language;

use tollgate_core::answer::Answer;
use tollgate_core::code::refused;

fuzz_target!(|data: &[u8]| {
    for message in [Message::from_json(data), Message::from_form(data)].into_iter().flatten() {
        // Writing may make a body longer than a body may be; only then does it not read back.
        match Message::from_json(&message.to_json()) {
            Ok(again) => assert!(again == message, "a message reads back the same"),
            Err(_) => assert!(message.to_json().len() > tollgate_fort::message::BODY_BYTES_MAX),
        }
        let _ = identify(&message);
        let safe = safe_params(&message);
        for service in Service::ALL {
            let judged = validate(service, &message);
            let parsed = Request::parse(service, &message);
            assert!(judged.is_ok() || parsed.is_err(), "no command comes of parameters that are refused");
        }
        let answer = Answer::bare(refused::INVALID_COMMAND);
        let service = Service::of(&message).ok();
        for echo in [Echo::Request(&message), Echo::Kept(&safe)] {
            let fields = render(service, echo, &answer, Language::Arabic);
            assert!(fields.iter().all(|(_, value)| !value.is_empty()), "no field is empty");
            assert!(Message::from_json(&fields.to_json()).is_ok() || fields.to_json().len() > 64 * 1024);
        }
    }
});
