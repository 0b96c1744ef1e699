//! Compressed messages, unpacked under our own limits before the service sees them: a few bytes must not become a gigabyte
//! (grpc-rust pull request 2484).

use std::io::Read as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::read::GzDecoder;
use tonic::Status;

use super::details::invalid;
use super::frames::HEAD;

/// So large a message may become whatever it was compressed to: a night of zeros is data, and harms nobody.
pub const ANY_RATIO_BYTES: usize = 64 << 10;

/// How far a message may expand.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_bytes: usize,
    pub ratio: usize,
}

/// One message as an uncompressed frame.
pub fn inflate(packed: &[u8], bounds: Bounds) -> Result<Bytes, Status> {
    let by_ratio = packed.len().saturating_mul(bounds.ratio).max(ANY_RATIO_BYTES);
    let most = by_ratio.min(bounds.max_bytes);
    let mut message = Vec::new();
    // One byte beyond tells that there is more; the rest is never unpacked.
    let read = GzDecoder::new(packed).take(most as u64 + 1).read_to_end(&mut message);
    if read.is_err() {
        return Err(invalid("grpc-encoding", "the message is not gzip"));
    }
    if message.len() > bounds.max_bytes {
        return Err(too_large(bounds));
    }
    if message.len() > most {
        let why = format!("a message above {ANY_RATIO_BYTES} bytes may be {} times its compressed size", bounds.ratio);
        return Err(invalid("grpc-encoding", &why));
    }
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.extend_from_slice(&message);
    Ok(frame.freeze())
}

pub fn too_large(bounds: Bounds) -> Status {
    Status::out_of_range(format!("a message has at most {} bytes, unpacked", bounds.max_bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const BOUNDS: Bounds = Bounds { max_bytes: 1 << 20, ratio: 100 };

    fn gzip(message: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(message).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn a_message_at_the_size_limit_passes_and_one_byte_more_does_not() {
        let at = noise(BOUNDS.max_bytes);
        assert_eq!(&inflate(&gzip(&at), BOUNDS).unwrap()[HEAD..], at);
        let beyond = inflate(&gzip(&noise(BOUNDS.max_bytes + 1)), BOUNDS).unwrap_err();
        assert_eq!(beyond.code(), tonic::Code::OutOfRange);
    }

    #[test]
    fn a_message_that_expands_too_much_is_refused_before_it_is_unpacked() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(bomb.len() * BOUNDS.ratio < 1 << 20);
        assert_eq!(inflate(&bomb, BOUNDS).unwrap_err().code(), tonic::Code::InvalidArgument);
        // Without the ratio it would pass: it is within the size.
        assert!(inflate(&bomb, Bounds { ratio: usize::MAX, ..BOUNDS }).is_ok());
        let exactly = Bounds { ratio: (1usize << 20).div_ceil(bomb.len()), ..BOUNDS };
        assert!(inflate(&bomb, exactly).is_ok());
        assert!(inflate(&bomb, Bounds { ratio: exactly.ratio - 1, ..exactly }).is_err());
    }

    #[test]
    fn what_stays_small_may_have_been_compressed_to_anything() {
        assert!(inflate(&gzip(&vec![0; ANY_RATIO_BYTES]), BOUNDS).is_ok());
        assert!(inflate(&gzip(&vec![0; ANY_RATIO_BYTES + 1]), BOUNDS).is_err());
    }

    #[test]
    fn what_is_not_gzip_or_is_cut_short_is_said_to_be() {
        let whole = gzip(b"a message");
        for packed in [&b""[..], b"plain", &whole[..whole.len() - 3]] {
            assert_eq!(inflate(packed, BOUNDS).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
