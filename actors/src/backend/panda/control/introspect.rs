//! What a PandA has, asked over one connection.
use super::{Control, ControlFault};
use bluefly_protocol::panda::describe::{Enquiry, Inventory, Round};
use futures_util::future::try_join_all;

impl Control {
    /// All blocks and fields; some 900 questions, which are sent without waiting for replies.
    pub async fn inventory(&self) -> Result<Inventory, ControlFault> {
        let mut enquiry = Enquiry::new();
        loop {
            let asked = enquiry.questions().map(|question| self.ask(question.clone()));
            let replies = try_join_all(asked).await?;
            match enquiry.answered(replies)? {
                Round::Ask(next) => enquiry = next,
                Round::Known(inventory) => return Ok(*inventory),
            }
        }
    }
}
