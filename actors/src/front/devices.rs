//! What is asked of a desk about devices.
use super::{
    desk::{ANSWER_WITHIN, Desk, unanswered},
    step::{Until, settled},
};
use crate::coordinator::{
    ScanCoordinator,
    manual::{ManualError, ManualStatus, MoveMotor, StopDevice, TriggerDetector, device_report},
};
use actix::{Context, Handler, Message, dev::ToEnvelope};
use bluefly_protocol::{
    api::{ApiError, DeviceAction, ErrorCode, Reply, SetBody, Wait},
    name::Name,
};

impl Desk {
    pub(super) async fn devices(&self) -> Result<Reply, ApiError> {
        let tree = self.running()?;
        Ok(Reply::Devices { devices: self.parts().survey.devices(&tree).await })
    }

    pub(super) async fn device(&self, name: &Name) -> Result<Reply, ApiError> {
        let tree = self.running()?;
        let device = self.parts().survey.device(name.as_str(), &tree).await;
        let unknown = || {
            let reason = "the beamline has no such device";
            ApiError::new(ErrorCode::NotFound, name.as_str(), reason)
        };
        device.map(|device| Reply::Device(Box::new(device))).ok_or_else(unknown)
    }

    pub(super) async fn set(
        &self,
        name: Name,
        body: SetBody,
        wait: Wait,
    ) -> Result<Reply, ApiError> {
        self.takes_work()?;
        let message = MoveMotor { name: name.clone(), position: body.value };
        self.by_hand((name, DeviceAction::Set), message, wait).await
    }

    pub(super) async fn stop_device(&self, name: Name, wait: Wait) -> Result<Reply, ApiError> {
        let message = StopDevice(name.clone());
        self.by_hand((name, DeviceAction::Stop), message, wait).await
    }

    pub(super) async fn trigger(&self, name: Name, wait: Wait) -> Result<Reply, ApiError> {
        self.takes_work()?;
        let message = TriggerDetector(name.clone());
        self.by_hand((name, DeviceAction::Trigger), message, wait).await
    }

    async fn by_hand<M>(
        &self,
        (name, action): (Name, DeviceAction),
        message: M,
        wait: Wait,
    ) -> Result<Reply, ApiError>
    where
        ScanCoordinator: Handler<M>,
        M: Message<Result = Result<ManualStatus, ManualError>> + Send + 'static,
        Context<ScanCoordinator>: ToEnvelope<ScanCoordinator, M>,
    {
        let asked = self.parts().coordinator.ask(message, ANSWER_WITHIN).await;
        let status = asked.map_err(|error| unanswered(&error))??;
        if !wait.duration().is_zero() {
            let ended = settled(status.clone(), Until::Ended);
            if let Ok(Some(Err(error))) = self.clock().timeout(wait.duration(), ended).await {
                return Err(error.into());
            }
        }
        Ok(Reply::DeviceReport(device_report(&name, action, &status)))
    }
}
