//! A shipment whose pieces the test puts: bytes, and the log position at which they end.

use florin_core::Error;
use florin_ledger::Lsn;
use florin_server::ledger::{LogShipment, ShipmentAck};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What there is to ship.
#[derive(Default)]
pub(crate) struct HandShipping {
    pieces: Mutex<VecDeque<(usize, Lsn)>>,
    /// What was acknowledged, in order.
    pub(crate) acknowledged: Mutex<Vec<Lsn>>,
}

/// One standby's part of it.
pub(crate) struct HandShipment {
    shipping: Arc<HandShipping>,
    left_bytes: usize,
    position: Lsn,
}

struct HandAck(Arc<HandShipping>);

impl HandShipping {
    /// Puts a piece; it is read at once, and handed out as batches have room.
    pub(crate) fn put(&self, bytes: usize, end: u64) {
        self.pieces.lock().unwrap().push_back((bytes, Lsn(end)));
    }

    pub(crate) fn ship(self: &Arc<HandShipping>, from: Lsn) -> Box<dyn LogShipment> {
        Box::new(HandShipment { shipping: Arc::clone(self), left_bytes: 0, position: from })
    }
}

impl LogShipment for HandShipment {
    fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        if self.left_bytes == 0
            && 0 < bytes_max
            && let Some((bytes, end)) = self.shipping.pieces.lock().unwrap().pop_front()
        {
            (self.left_bytes, self.position) = (bytes, end);
        }
        let bytes = self.left_bytes.min(bytes_max);
        self.left_bytes -= bytes;
        Ok(vec![0; florin_core::shipping::BATCH_HEAD_BYTES + bytes])
    }

    fn is_live(&self) -> bool {
        self.left_bytes == 0 && self.shipping.pieces.lock().unwrap().is_empty()
    }

    fn is_handed_out(&self) -> bool {
        self.left_bytes == 0
    }

    fn position(&self) -> Lsn {
        self.position
    }

    fn acknowledger(&self) -> Box<dyn ShipmentAck> {
        Box::new(HandAck(Arc::clone(&self.shipping)))
    }
}

impl ShipmentAck for HandAck {
    fn acknowledge(&self, position: Lsn) -> Result<(), Error> {
        self.0.acknowledged.lock().unwrap().push(position);
        Ok(())
    }

    fn receive(&self, _: Lsn) -> Result<(), Error> {
        Ok(())
    }
}
