//! Whatever comes as a message of 3-D Secure is read and reads back the same, or gives an Erro that is one; whatever lies
//! in the store as an authentication is read or refused; and no answer brings an authentication out of its table.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::time::Timestamp;
use tollgate_threeds::element::ErrorComponent;
use tollgate_threeds::encode;
use tollgate_threeds::flow::{Event, Flow};
use tollgate_threeds::message::{
    AReq, ARes, Answer, CReq, CRes, Erro, PReq, PRes, RReq, RRes, Wire, read_answer,
};

fuzz_target!(|data: &[u8]| {
    judge::<AReq>(data);
    judge::<ARes>(data);
    judge::<CReq>(data);
    judge::<CRes>(data);
    judge::<RReq>(data);
    judge::<RRes>(data);
    judge::<PReq>(data);
    judge::<PRes>(data);
    judge::<Erro>(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = encode::from_base64url::<CRes>(text);
    let _ = encode::read_method_request(text);
    let _ = encode::read_method_notification(text);
    if let Ok(mut flow) = Flow::from_json(text) {
        let written = flow.to_json().expect("a flow can be written");
        assert!(Flow::from_json(&written).expect("and read again") == flow);
        let was_over = flow.state().is_over();
        let before = flow.outcome().cloned();
        flow.apply(Event::Answered(data), Timestamp(0));
        flow.apply(Event::ChallengeReturned(text), Timestamp(0));
        flow.apply(Event::Abandoned, Timestamp(0));
        assert!(flow.state().is_over() && (!was_over || flow.outcome().cloned() == before));
    }
});

fn judge<M: Wire + PartialEq + std::fmt::Debug>(body: &[u8]) {
    match read_answer::<M>(body) {
        Ok(Answer::Message(message)) => assert!(M::read(&message.to_bytes()).expect("what was read") == message),
        Ok(Answer::Erro(erro)) => assert!(Erro::read(&erro.to_bytes()).expect("what was read") == erro),
        Err(fault) => {
            if let Some(erro) = fault.to_erro(ErrorComponent::Server) {
                assert!(Erro::read(&erro.to_bytes()).expect("an Erro of ours can be read") == erro);
            }
        }
    }
}
