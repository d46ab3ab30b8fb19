//! Whether a payment may bring the result of the merchant's own MPI, and whether what it brings fits together.
//!
//! | `3ds_status` | `ver_token` | `3ds_eci` | what becomes of the payment |
//! |---|---|---|---|
//! | `Y` | needed | needed: `05`, or `02` | goes on as authenticated |
//! | `A` | needed | needed: `06`, or `01` | goes on as attempted |
//! | `U`, or `3ds_enrolled=N` alone | none | none, `07` or `00` | as the merchant's terms say |
//! | `N` | none | none, `07` or `00` | refused: 13030, 03030 |
//!
//! `02`, `01` and `00` are the indicators of Mastercard and of mada, whose cards may be Mastercard's; the others are taken
//! with every brand, since FORT lists no more than `05` and `06`.

use crate::bin::Brand;
use crate::code::{message, refused as code};
use crate::command::{Eci, PayCommand};
use crate::merchant::Terms;
use crate::refusal::{Guilty, Refusal};
use crate::three_ds::{
    AuthenticatedBy, Authentication, AuthenticationStatus, Enrolled, MpiResult, OwnMpi, UnavailableThreeDs, ValueKind,
};

/// Whether the payment may bring a result at all: 00113, 00027, 00001.
pub(super) fn may_bring(terms: &Terms, command: &PayCommand) -> Result<(), Refusal> {
    let Some(parameter) = command.authentication.as_ref().and_then(MpiResult::first_sent) else { return Ok(()) };
    if command.eci != Eci::Ecommerce {
        let detail = "the result of an MPI was sent with a payment that is no ECOMMERCE one";
        return Err(Refusal::request(code::NOT_FOR_ECI, "eci", detail));
    }
    if terms.three_ds.own_mpi == OwnMpi::Off {
        let detail = "the result of an MPI was sent, which this merchant may not bring: `tollgate merchant set NAME \
                      --own-mpi on` allows it";
        let refusal = Refusal::of(code::INVALID_EXTRA_PARAMETERS, Guilty::MerchantConfiguration, detail);
        return Err(refusal.at(parameter));
    }
    if command.card.is_none() {
        let detail = "the result of an MPI is about a card that comes with it: neither card_number nor \
                      encrypted_card_data was sent";
        return Err(Refusal::request(code::MISSING_PARAMETER, "card_number", detail));
    }
    Ok(())
}

/// What the payment brings, if its parts fit together and to a card of `brand`, and it may go on with it.
pub(super) fn brought(terms: &Terms, command: &PayCommand, brand: Brand) -> Result<Option<Authentication>, Refusal> {
    let Some(result) = &command.authentication else { return Ok(None) };
    let status = status_of(result)?;
    fits_enrolment(result, status)?;
    fits_value(result, status)?;
    fits_indicator(result, status)?;
    indicator_fits_brand(result, brand)?;
    value_kind_fits_brand(result, brand)?;
    goes_on(terms, command, status)?;
    Ok(Some(Authentication {
        status,
        eci: result.eci.clone(),
        value: result.value.clone(),
        ds_transaction_id: None,
        xid: result.xid.clone(),
        version: None,
        by: AuthenticatedBy::Merchant,
    }))
}

fn status_of(result: &MpiResult) -> Result<AuthenticationStatus, Refusal> {
    match (result.status, result.enrolled) {
        (Some(AuthenticationStatus::Rejected), _) => {
            Err(Refusal::request(code::VALUE_NOT_ALLOWED, "3ds_status", "3ds_status is Y, A, N or U"))
        }
        (Some(status), _) => Ok(status),
        // Nobody could be asked: there is no other status.
        (None, Some(Enrolled::No)) => Ok(AuthenticationStatus::Unavailable),
        (None, _) => {
            let detail = "the result of an MPI came without its status";
            Err(Refusal::request(code::MISSING_PARAMETER, "3ds_status", detail))
        }
    }
}

fn fits_enrolment(result: &MpiResult, status: AuthenticationStatus) -> Result<(), Refusal> {
    let was_asked = matches!(status, AuthenticationStatus::Authenticated | AuthenticationStatus::NotAuthenticated);
    if result.enrolled == Some(Enrolled::No) && was_asked {
        let detail = "the customer of a card that is not enrolled cannot have been asked: 3ds_status Y and N do not go \
                      with 3ds_enrolled N";
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "3ds_enrolled", detail));
    }
    Ok(())
}

fn fits_value(result: &MpiResult, status: AuthenticationStatus) -> Result<(), Refusal> {
    match (status.proves(), &result.value) {
        (true, None) => {
            let detail = "3ds_status Y and A need the value that proves them";
            Err(Refusal::request(code::MISSING_PARAMETER, "ver_token", detail))
        }
        (false, Some(_)) => {
            let detail = "3ds_status N and U have nothing that proves them";
            Err(Refusal::request(code::VALUE_NOT_ALLOWED, "ver_token", detail))
        }
        (true, Some(_)) | (false, None) => Ok(()),
    }
}

fn fits_indicator(result: &MpiResult, status: AuthenticationStatus) -> Result<(), Refusal> {
    let refuse = |detail| Err(Refusal::request(code::VALUE_NOT_ALLOWED, "3ds_eci", detail));
    match (status, result.eci.as_deref()) {
        (AuthenticationStatus::Authenticated, Some("05" | "02"))
        | (AuthenticationStatus::Attempted, Some("06" | "01")) => Ok(()),
        (AuthenticationStatus::Authenticated | AuthenticationStatus::Attempted, None) => {
            let detail = "3ds_status Y and A need the indicator that goes with them";
            Err(Refusal::request(code::MISSING_PARAMETER, "3ds_eci", detail))
        }
        (AuthenticationStatus::Authenticated, Some(_)) => refuse("3ds_status Y goes with 3ds_eci 05, or 02"),
        (AuthenticationStatus::Attempted, Some(_)) => refuse("3ds_status A goes with 3ds_eci 06, or 01"),
        (_, None | Some("07" | "00")) => Ok(()),
        (_, Some(_)) => refuse("3ds_status N and U go with 3ds_eci 07 or 00, or with none"),
    }
}

fn indicator_fits_brand(result: &MpiResult, brand: Brand) -> Result<(), Refusal> {
    if matches!(result.eci.as_deref(), Some("02" | "01" | "00")) && !may_be_mastercard(brand) {
        let detail = format!("3ds_eci 02, 01 and 00 are Mastercard's: {brand} has 05, 06 and 07");
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "3ds_eci", detail));
    }
    Ok(())
}

fn value_kind_fits_brand(result: &MpiResult, brand: Brand) -> Result<(), Refusal> {
    if result.value_kind == Some(ValueKind::Spa) && !may_be_mastercard(brand) {
        let detail = format!("ver_type SPA is Mastercard's: {brand} has 3DS");
        return Err(Refusal::request(code::VALUE_NOT_ALLOWED, "ver_type", detail));
    }
    Ok(())
}

/// mada cards are issued with Visa or with Mastercard, and go by the indicators of the one.
const fn may_be_mastercard(brand: Brand) -> bool {
    matches!(brand, Brand::Mastercard | Brand::Mada)
}

fn goes_on(terms: &Terms, command: &PayCommand, status: AuthenticationStatus) -> Result<(), Refusal> {
    let failed = |guilty, detail: &'static str| {
        let code = command.kind.code(command.kind.operation(), message::AUTHENTICATION_FAILED);
        Err(Refusal::of(code, guilty, detail).at("3ds_status"))
    };
    match status {
        AuthenticationStatus::Authenticated | AuthenticationStatus::Attempted => Ok(()),
        AuthenticationStatus::Unavailable if terms.three_ds.unavailable == UnavailableThreeDs::GoOn => Ok(()),
        AuthenticationStatus::Unavailable => failed(
            Guilty::MerchantConfiguration,
            "the authentication could not be carried out, and the merchant's terms refuse such payments: `tollgate \
             merchant set NAME --three-ds-unavailable go-on` lets them go on",
        ),
        AuthenticationStatus::NotAuthenticated | AuthenticationStatus::Rejected => {
            failed(Guilty::Cardholder, "the customer was not authenticated: such a payment is not sent")
        }
    }
}
