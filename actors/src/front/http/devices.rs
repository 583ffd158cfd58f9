//! Single devices.
use super::{
    body::{Json, Nothing},
    front::Shared,
    query::{NoQuery, Query, WaitQuery},
    reply::{Answer, Failure, accepted, found},
};
use actix_web::web::Path;
use bluefly_protocol::{
    api::{Device, DeviceReport, ErrorBody, ErrorCode, Request, SetBody},
    name::Name,
};

/// Every device.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices",
    responses((status = 200, body = inline(DeviceList)), (status = "default", body = ErrorBody)))]
pub(super) async fn devices(front: Shared, _: Query<NoQuery>) -> Answer {
    found(front.dispatch(Request::Devices).await)
}

/// What [`devices`] comes to.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it says what an answer looks like")]
pub(super) struct DeviceList {
    devices: Vec<Device>,
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{name}", tag = "devices",
    params(("name" = String, Path, description = "Of the device")),
    responses((status = 200, body = Device), (status = "default", body = ErrorBody)))]
pub(super) async fn device(front: Shared, name: Path<String>, _: Query<NoQuery>) -> Answer {
    found(front.dispatch(Request::Device(known(&name)?)).await)
}

/// Move a motor.
#[utoipa::path(post, operation_id = "set_device", path = "/api/v1/devices/{name}/set", tag = "devices",
    params(("name" = String, Path, description = "Of the motor"), WaitQuery),
    request_body = SetBody,
    responses((status = 202, body = DeviceReport), (status = "default", body = ErrorBody)))]
pub(super) async fn set(
    front: Shared,
    name: Path<String>,
    query: Query<WaitQuery>,
    body: Json<SetBody>,
) -> Answer {
    let request = Request::Set(known(&name)?, body.0, query.0.or_none());
    accepted(front.dispatch(request).await)
}

/// Bring a device to rest.
#[utoipa::path(post, operation_id = "stop_device", path = "/api/v1/devices/{name}/stop", tag = "devices",
    params(("name" = String, Path, description = "Of the device"), WaitQuery),
    responses((status = 202, body = DeviceReport), (status = "default", body = ErrorBody)))]
pub(super) async fn stop(
    front: Shared,
    name: Path<String>,
    query: Query<WaitQuery>,
    _: Json<Nothing>,
) -> Answer {
    let request = Request::StopDevice(known(&name)?, query.0.or_none());
    accepted(front.dispatch(request).await)
}

/// Take one frame with a detector; it goes into no file.
#[utoipa::path(post, operation_id = "trigger_device", path = "/api/v1/devices/{name}/trigger", tag = "devices",
    params(("name" = String, Path, description = "Of the detector"), WaitQuery),
    responses((status = 202, body = DeviceReport), (status = "default", body = ErrorBody)))]
pub(super) async fn trigger(
    front: Shared,
    name: Path<String>,
    query: Query<WaitQuery>,
    _: Json<Nothing>,
) -> Answer {
    let request = Request::Trigger(known(&name)?, query.0.or_none());
    accepted(front.dispatch(request).await)
}

/// A name that no device can have is that of no device.
fn known(name: &str) -> Result<Name, Failure> {
    name.parse().map_err(|_| Failure::new(ErrorCode::NotFound, name, "is no device"))
}
