//! Little-endian fields one after another, and the floating-point numbers of IEEE 11073-20601.

use crate::reading::Refusal;

pub(super) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take<const N: usize>(&mut self, field: &str) -> Result<[u8; N], Refusal> {
        let cut = || Refusal::unreadable(format!("the value ends before its {field}"));
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*field)
    }

    pub(super) fn u8(&mut self, field: &str) -> Result<u8, Refusal> {
        self.take::<1>(field).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, field: &str) -> Result<u16, Refusal> {
        self.take(field).map(u16::from_le_bytes)
    }

    pub(super) fn u24(&mut self, field: &str) -> Result<u32, Refusal> {
        self.take::<3>(field).map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
    }

    /// A 16-bit number; NaN when the device says that it has none.
    pub(super) fn sfloat(&mut self, field: &str) -> Result<f64, Refusal> {
        self.u16(field).map(sfloat)
    }

    /// A 32-bit number; NaN when the device says that it has none.
    pub(super) fn float(&mut self, field: &str) -> Result<f64, Refusal> {
        self.take(field).map(|bytes| float(u32::from_le_bytes(bytes)))
    }

    /// The next field if `present`.
    pub(super) fn when<T>(
        &mut self,
        present: bool,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        if present { read(self).map(Some) } else { Ok(None) }
    }
}

/// Four bits of exponent, twelve of mantissa, both signed; five mantissas are no numbers (+INF, NaN, NRes, reserved, -INF).
fn sfloat(raw: u16) -> f64 {
    match raw & 0x0fff {
        0x07fe => return f64::INFINITY,
        0x0802 => return f64::NEG_INFINITY,
        0x07ff..=0x0801 => return f64::NAN,
        _ => {}
    }
    // Shifted to the top so that the shift back extends the sign.
    let mantissa = ((raw << 4) as i16) >> 4;
    let exponent = (raw as i16) >> 12;
    decimal(f64::from(mantissa), i32::from(exponent))
}

/// Eight bits of exponent, twenty-four of mantissa, as above.
fn float(raw: u32) -> f64 {
    match raw & 0x00ff_ffff {
        0x007f_fffe => return f64::INFINITY,
        0x0080_0002 => return f64::NEG_INFINITY,
        0x007f_ffff..=0x0080_0001 => return f64::NAN,
        _ => {}
    }
    let mantissa = ((raw << 8) as i32) >> 8;
    let exponent = (raw as i32) >> 24;
    decimal(f64::from(mantissa), exponent)
}

/// Division by a power of ten is rounded once, so that 370 tenths are exactly 37.0.
fn decimal(mantissa: f64, exponent: i32) -> f64 {
    let power = 10f64.powi(exponent.abs());
    if exponent < 0 { mantissa / power } else { mantissa * power }
}

/// A whole number of steps, as the decimal it stands for: 15,992 steps of 0.005 are exactly 79.96.
pub(super) fn steps(raw: u16, per_unit: f64) -> f64 {
    f64::from(raw) / per_unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_float_has_a_decimal_exponent_and_both_signs() {
        for (raw, expected) in [(0xf4f6, 127.0), (0x0072, 114.0), (0xf172, 37.0), (0x2001, 100.0), (0xfff6, -1.0)] {
            assert_eq!(sfloat(raw), expected, "{raw:04x}");
        }
    }

    #[test]
    fn a_long_float_has_a_decimal_exponent_and_both_signs() {
        for (raw, expected) in [(0xff00_0168, 36.0), (0xfe00_0eb0, 37.6), (0x0000_0025, 37.0), (0xffff_fff6, -1.0)] {
            assert_eq!(float(raw), expected, "{raw:08x}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for exponent in [0u16, 0xf000] {
            assert!([0x07ff, 0x0800, 0x0801].iter().all(|raw| sfloat(exponent | raw).is_nan()));
            assert_eq!((sfloat(exponent | 0x07fe), sfloat(exponent | 0x0802)), (f64::INFINITY, f64::NEG_INFINITY));
        }
        assert!([0x007f_ffff, 0x0080_0000, 0x0080_0001].iter().all(|raw| float(*raw).is_nan()));
        assert_eq!((float(0x007f_fffe), float(0x0080_0002)), (f64::INFINITY, f64::NEG_INFINITY));
        assert_eq!((sfloat(0x07fd), sfloat(0x0803)), (2045.0, -2045.0));
    }
}
