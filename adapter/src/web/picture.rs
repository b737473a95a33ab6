//! Pictures that a phone reads: QR codes, as a path of SVG inside a page, so that nothing more is loaded.

use qrcode::{Color, QrCode};
use std::fmt::Write;

/// Squares of nothing around it, without which phones do not find it.
const MARGIN: usize = 4;

/// A QR code.
#[derive(Default)]
pub(super) struct Picture {
    /// Squares from side to side.
    pub(super) side: usize,
    /// The dark squares; nothing if the text is too long for a picture.
    pub(super) path: String,
}

impl Picture {
    /// The picture of a text.
    pub(super) fn of(text: &str) -> Picture {
        let Ok(code) = QrCode::new(text) else { return Picture::default() };
        let width = code.width();
        let mut path = String::new();
        for (place, color) in code.to_colors().into_iter().enumerate() {
            if color == Color::Dark {
                let (x, y) = (MARGIN + place % width, MARGIN + place / width);
                write!(path, "M{x} {y}h1v1h-1z").expect("a string takes everything");
            }
        }
        Picture { side: width + 2 * MARGIN, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a picture that no phone finds.
    #[test]
    fn a_picture_has_its_three_corners_and_a_margin() {
        let picture = Picture::of("otpauth://totp/Bank:ada%40example.org?secret=AAAA");
        let last = picture.side - MARGIN - 1;
        for (x, y) in [(MARGIN, MARGIN), (last, MARGIN), (MARGIN, last)] {
            assert!(picture.path.contains(&format!("M{x} {y}h")), "{x} {y}");
        }
        for at in (0..MARGIN).chain(last + 1..picture.side) {
            assert!(!picture.path.contains(&format!("M{at} ")), "column {at}");
            assert!(!picture.path.contains(&format!(" {at}h")), "row {at}");
        }
        assert_eq!(Picture::of(&"x".repeat(10_000)).path, "");
    }
}
