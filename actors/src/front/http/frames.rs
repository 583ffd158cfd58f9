//! Frames of a WebSocket, as a server writes them (RFC 6455).
use actix_web::web::BytesMut;

/// What is said to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Text(&'a [u8]),
    Ping,
    /// With what came with the ping.
    Pong(&'a [u8]),
    Close(u16, &'a str),
}

/// Puts a whole frame behind what is in `out`. Control frames are cut to their greatest length.
pub(super) fn write(out: &mut BytesMut, frame: Frame<'_>) {
    /// Set in the first byte of the last frame of a message; here all are.
    const FINAL: u8 = 0x80;
    const MAX_CONTROL: usize = 125;
    let short = |payload: &[u8]| payload[..payload.len().min(MAX_CONTROL)].to_vec();
    let control;
    let (opcode, payload) = match frame {
        Frame::Text(text) => (0x1, text),
        Frame::Ping => (0x9, &[][..]),
        Frame::Pong(payload) => {
            control = short(payload);
            (0xA, &control[..])
        }
        Frame::Close(code, reason) => {
            control = short(&[&code.to_be_bytes(), reason.as_bytes()].concat());
            (0x8, &control[..])
        }
    };
    out.extend_from_slice(&[FINAL | opcode]);
    match payload.len() {
        length @ 0..=125 => out.extend_from_slice(&[length as u8]),
        length @ 126..=0xFFFF => {
            out.extend_from_slice(&[126]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.extend_from_slice(&[127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_length_of_their_payload_before_it() {
        let check = |frame: Frame, head: &[u8], length: usize| {
            let mut out = BytesMut::new();
            write(&mut out, frame);
            assert_eq!((&out[..head.len()], out.len()), (head, head.len() + length));
        };
        check(Frame::Text(b"{}"), &[0x81, 2, b'{', b'}'], 0);
        check(Frame::Text(&[b'x'; 125]), &[0x81, 125], 125);
        check(Frame::Text(&[b'x'; 126]), &[0x81, 126, 0, 126], 126);
        check(Frame::Text(&vec![b'x'; 65_535]), &[0x81, 126, 255, 255], 65_535);
        check(Frame::Text(&vec![b'x'; 65_536]), &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536);
        check(Frame::Ping, &[0x89, 0], 0);
        check(Frame::Pong(b"abc"), &[0x8A, 3], 3);
        check(Frame::Pong(&[0; 200]), &[0x8A, 125], 125);
        check(Frame::Close(1001, "gone"), &[0x88, 6, 3, 0xE9], 4);
    }
}
