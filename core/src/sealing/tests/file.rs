//! Prevents: a wrapped key that was changed on the disk and is taken for what was written.

use crate::sealing::{SealingKey, WrappedKey};

fn sample() -> WrappedKey {
    WrappedKey {
        incarnation: 0x0f,
        check: [0xC4; 32],
        id: "file:11".to_owned(),
        wrapped: vec![0x57; 60],
    }
}

#[test]
fn the_file_is_these_bytes() {
    let mut expect = b"FLORINDK\x01\0\0\0\x07\0\x3c\0\x0f".to_vec();
    expect.resize(32, 0);
    expect.extend_from_slice(&[0xC4; 32]);
    let tail = [&b"file:11"[..], &[0x57; 60]].concat();
    let checksum = blake3::hash(&[&expect[..], &tail].concat());
    expect.extend_from_slice(checksum.as_bytes());
    expect.extend_from_slice(&tail);
    assert_eq!(sample().encoded(), expect);
    assert_eq!(WrappedKey::decoded(&expect), Ok(sample()));
}

#[test]
fn every_changed_bit_and_length_is_damage() {
    let bytes = sample().encoded();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(WrappedKey::decoded(&changed).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(WrappedKey::decoded(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(WrappedKey::decoded(&[&bytes[..], &[0]].concat()).is_err());
}

/// AES-256-GCM as the standards have it: a nonce of four zero bytes and the number, big-endian.
/// Prevents: data that no other program could ever open. The expectation is that of the GCM
/// specification's test case 14, whose nonce, key and text are all zero.
#[test]
fn sealing_is_the_standards() {
    let key = SealingKey::new(&[0; 32]);
    let mut text = [0; 16];
    let seal = key.seal(0, &[], &mut text);
    assert_eq!(u128::from_be_bytes(text), 0xcea7_403d_4d60_6b6e_074e_c5d3_baf3_9d18);
    assert_eq!(u128::from_be_bytes(seal), 0xd0d1_c8a7_9999_6bf0_265b_98b5_d48a_b919);
    assert!(key.open(0, &[], &seal, &mut text));
    assert_eq!(text, [0; 16]);
}
