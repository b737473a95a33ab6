//! The files of the tree: `tree/` and the number of the tile in 20 digits. Each is written once, and has its
//! name when it is whole and durable. What can't be read is as good as missing: the log gives it again.

use super::edge::Shape;
use super::number::TileNumber;
use super::tile::{TILE_HEAD_BYTES, Tile, TileFormat, TileHead};
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use crate::sealing::DatabaseKey;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The directory.
pub(crate) const DIRECTORY: &str = "tree";
/// Tiles kept in memory after they were read: 160 KiB each.
const TILES_KEPT_MAX: usize = 8;

/// The tiles of one database.
pub(super) struct Tiles {
    disk: Arc<dyn Disk>,
    format: TileFormat,
    kept: Mutex<VecDeque<Arc<Tile>>>,
}

impl Tiles {
    /// Those of the database on a disk.
    pub(super) fn new(disk: Arc<dyn Disk>, birth: u128, shape: Shape) -> Tiles {
        let key = disk.database_key().map(DatabaseKey::tree_key);
        Tiles { disk, format: TileFormat { birth, shape, key }, kept: Mutex::default() }
    }

    /// The numbers of the files that are there, rising.
    pub(super) fn numbers(&self) -> Result<Vec<TileNumber>, Error> {
        match self.disk.list(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(&error)),
            Ok(files) => Ok(files.iter().filter_map(|file| number_of(file)).collect()),
        }
    }

    /// Removes the files from a number on.
    pub(super) fn remove_from(&self, number: TileNumber) -> Result<(), Error> {
        let stale: Vec<TileNumber> =
            self.numbers()?.into_iter().filter(|it| number <= *it).collect();
        for number in &stale {
            self.disk.remove(&path(*number)).map_err(|error| failed(&error))?;
        }
        if stale.is_empty() {
            return Ok(());
        }
        self.disk.sync_directory(DIRECTORY).map_err(|error| failed(&error))
    }

    /// The head of a tile; `None` if it is missing, damaged, or none that `is_ours`.
    pub(super) fn read_head(
        &self,
        number: TileNumber,
        is_ours: impl FnOnce(&TileHead) -> Result<bool, Error>,
    ) -> Result<Option<TileHead>, Error> {
        if let Some(tile) = self.kept(number) {
            return Ok(Some(tile.head.clone()));
        }
        let bytes = self.read_bytes(number, TILE_HEAD_BYTES)?;
        let head = bytes.and_then(|bytes| TileHead::read(&bytes, number, &self.format));
        let Some(head) = head else { return Ok(None) };
        Ok(is_ours(&head)?.then_some(head))
    }

    /// A tile; `None` if it is missing, damaged, or none that `is_ours`.
    pub(super) fn read(
        &self,
        number: TileNumber,
        is_ours: impl FnOnce(&TileHead) -> Result<bool, Error>,
    ) -> Result<Option<Arc<Tile>>, Error> {
        if let Some(tile) = self.kept(number) {
            return Ok(Some(tile));
        }
        let bytes = self.read_bytes(number, self.format.file_bytes())?;
        let Some(tile) = bytes.and_then(|bytes| Tile::read(&bytes, number, &self.format)) else {
            return Ok(None);
        };
        if !is_ours(&tile.head)? {
            return Ok(None);
        }
        let tile = Arc::new(tile);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(Arc::clone(&tile));
        if TILES_KEPT_MAX < kept.len() {
            kept.pop_front();
        }
        Ok(Some(tile))
    }

    /// Writes a tile, in the place of any that has its number. Durable when it returns.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`], [`ErrorKind::Io`]: it may be tried again.
    pub(super) fn write(&self, tile: &Tile) -> Result<(), Error> {
        let number = tile.head.number;
        let (path, partial) = (path(number), format!("{}.partial", path(number)));
        let write = || {
            self.disk.create_directory(DIRECTORY)?;
            self.disk.sync_directory("")?;
            match self.disk.remove(&partial) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = self.disk.create(&partial, Access::Buffered)?;
            file.write_all_at(&tile.to_bytes(&self.format), 0)?;
            file.sync()?;
            self.disk.rename(&partial, &path)?;
            self.disk.sync_directory(DIRECTORY)
        };
        let written = write().map_err(|error| failed(&error));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.head.number != number);
        written
    }

    fn kept(&self, number: TileNumber) -> Option<Arc<Tile>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|tile| tile.head.number == number).cloned()
    }

    /// The first bytes of a tile's file, if it is there and as long as a tile's.
    fn read_bytes(&self, number: TileNumber, count: usize) -> Result<Option<Vec<u8>>, Error> {
        let length = self.format.file_bytes();
        let read = || {
            let file = self.disk.open(&path(number), Access::Read)?;
            if usize::try_from(file.bytes()?) != Ok(length) {
                return Ok::<_, io::Error>(None);
            }
            let mut bytes = vec![0; count];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(Some(bytes))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read.map_err(|error| failed(&error)),
        }
    }
}

/// Removes all files of the tree; whether there were any tiles.
pub(crate) fn remove_all(disk: &dyn Disk) -> io::Result<bool> {
    let files = match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        files => files?,
    };
    for file in &files {
        disk.remove(&format!("{DIRECTORY}/{file}"))?;
    }
    if !files.is_empty() {
        disk.sync_directory(DIRECTORY)?;
    }
    Ok(files.iter().any(|file| number_of(file).is_some()))
}

pub(super) fn path(number: TileNumber) -> String {
    format!("{DIRECTORY}/{:020}", number.0)
}

fn number_of(file: &str) -> Option<TileNumber> {
    let is_number = file.len() == 20 && file.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { file.parse().ok().map(TileNumber) } else { None }
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("the tree of proofs: {error}"))
}
