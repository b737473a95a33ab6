//! A run file as pages on end: written once from the first to the last, read anywhere. What the
//! pages mean is the business of those who fill them.
//!
//! Every page is tagged, and sealed if the database is encrypted, as it is written, and verified
//! and opened as it is read. A file has its name only when
//! it is whole and durable.

use super::filter::Filter;
use super::footer::{check_header, header};
use super::page::{Page, PageKey};
use super::{DIRECTORY, Damage, RunError, RunName};
use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use std::io;
use std::sync::Arc;
use std::thread;

/// Pages read at once where many are.
pub(crate) const READ_PAGES: usize = 16;
/// [`PAGE_BYTES`], for lengths of files.
pub(crate) const PAGE_BYTES_U64: u64 = 4096;
/// Bytes handed to the file at once.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes after which the file is synced, so that a long run never leaves the log's syncs waiting
/// behind gigabytes of its own.
const SYNC_BYTES: u64 = 1 << 20;
/// Pages after which whoever waits for the processor goes first: a run is made in the background, and
/// a scheduler lets whoever computes go on for milliseconds before it looks at who was woken.
const YIELD_PAGES: u64 = 16;

const _: () = assert!(PAGE_BYTES == 4096);

/// A run file being written, its header first. Protocol: [`PageWriter::put`] every page, then
/// [`PageWriter::publish`]. Dropped before that, or after an error, it leaves a partial file that is
/// removed at the next opening.
pub(crate) struct PageWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    name: RunName,
    key: PageKey,
    /// Pages not handed to the file yet.
    buffer: Vec<u8>,
    written_bytes: u64,
    synced_bytes: u64,
    page_next: u64,
}

impl PageWriter {
    /// Begins a file.
    pub(crate) fn create(disk: &Arc<dyn Disk>, name: RunName) -> Result<PageWriter, RunError> {
        let io = |source| RunError::Io { name, source };
        let file = create_file(&**disk, name).map_err(io)?;
        let (header, key) = header(name, disk.database_key()).map_err(io)?;
        Ok(PageWriter {
            disk: Arc::clone(disk),
            file,
            name,
            key,
            buffer: header.to_vec(),
            written_bytes: 0,
            synced_bytes: 0,
            page_next: 1,
        })
    }

    /// The name that the file will have.
    pub(crate) fn name(&self) -> RunName {
        self.name
    }

    /// Spreads keys over this file's filter.
    pub(crate) fn seed(&self) -> u64 {
        self.key.seed()
    }

    /// Pages put so far, the header included.
    pub(crate) fn pages_count(&self) -> u64 {
        self.page_next
    }

    /// Adds a page, sealing it.
    ///
    /// # Errors
    /// [`RunError::Io`]: nothing more may be written.
    pub(crate) fn put(&mut self, mut page: Page) -> Result<(), RunError> {
        self.key.seal(&mut page, self.page_next);
        self.page_next += 1;
        if self.page_next.is_multiple_of(YIELD_PAGES) {
            thread::yield_now();
        }
        self.buffer.extend_from_slice(&page);
        if WRITE_BYTES <= self.buffer.len() { self.write_buffer() } else { Ok(()) }
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// [`RunError::Io`]: the run does not exist, as far as anybody knows.
    pub(crate) fn publish(mut self) -> Result<(), RunError> {
        self.write_buffer()?;
        let name = self.name;
        let publish = || {
            self.file.sync()?;
            self.disk.rename(&name.partial_path(), &name.path())?;
            self.disk.sync_directory(DIRECTORY)
        };
        publish().map_err(|source| RunError::Io { name, source })
    }

    fn write_buffer(&mut self) -> Result<(), RunError> {
        let name = self.name;
        let io = |source| RunError::Io { name, source };
        assert!(self.buffer.len().is_multiple_of(PAGE_BYTES));
        self.file.write_all_at(&self.buffer, self.written_bytes).map_err(io)?;
        self.written_bytes += u64::try_from(self.buffer.len()).expect("fits memory");
        self.buffer.clear();
        if SYNC_BYTES <= self.written_bytes - self.synced_bytes {
            self.file.sync().map_err(io)?;
            self.synced_bytes = self.written_bytes;
        }
        Ok(())
    }
}

/// Makes the partial file anew: one of the same name is what a crash left.
fn create_file(disk: &dyn Disk, name: RunName) -> io::Result<Arc<dyn DiskFile>> {
    disk.create_directory(DIRECTORY)?;
    disk.sync_directory("")?;
    match disk.remove(&name.partial_path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.create(&name.partial_path(), Access::Buffered),
    }
}

/// Reads pages of a run file and verifies each.
pub(crate) struct PageReader {
    name: RunName,
    file: Arc<dyn DiskFile>,
    key: PageKey,
    pages_count: u64,
}

impl PageReader {
    /// Opens a file of at least `pages_min` pages and checks its header.
    ///
    /// # Errors
    /// [`RunError::Io`] if there is none; [`RunError::Damaged`] if it is none of this name.
    pub(crate) fn open(
        disk: &dyn Disk,
        name: RunName,
        pages_min: u64,
    ) -> Result<PageReader, RunError> {
        let io = |source| RunError::Io { name, source };
        let damaged = |damage| RunError::Damaged { name, damage };
        let file = disk.open(&name.path(), Access::Read).map_err(io)?;
        let bytes = file.bytes().map_err(io)?;
        let pages_count = bytes / PAGE_BYTES_U64;
        if bytes % PAGE_BYTES_U64 != 0 || pages_count < pages_min {
            return Err(damaged(Damage::Size { bytes }));
        }
        let mut page: Page = [0; PAGE_BYTES];
        file.read_exact_at(&mut page, 0).map_err(io)?;
        let key = check_header(&page, name, disk.database_key()).map_err(damaged)?;
        Ok(PageReader { name, file, key, pages_count })
    }

    /// The file's name.
    pub(crate) fn name(&self) -> RunName {
        self.name
    }

    /// Pages of the file, header and footer included.
    pub(crate) fn pages_count(&self) -> u64 {
        self.pages_count
    }

    /// Visits pages in order, each verified.
    ///
    /// # Errors
    /// [`RunError`] at the first page that can't be read or does not verify.
    pub(crate) fn read(
        &self,
        first_page: u64,
        pages_count: usize,
        mut visit: impl FnMut(&Page),
    ) -> Result<(), RunError> {
        let name = self.name;
        let mut buffer = vec![0; READ_PAGES.min(pages_count) * PAGE_BYTES];
        let mut number = first_page;
        let mut left = pages_count;
        while left != 0 {
            let bytes = &mut buffer[..READ_PAGES.min(left) * PAGE_BYTES];
            let offset = number * PAGE_BYTES_U64;
            self.file
                .read_exact_at(bytes, offset)
                .map_err(|source| RunError::Io { name, source })?;
            let (pages, _) = bytes.as_chunks_mut::<PAGE_BYTES>();
            for page in pages {
                if !self.key.verifies(page, number) {
                    return Err(self.damaged(Damage::Page { page: number }));
                }
                self.key.open(page, number).map_err(|damage| self.damaged(damage))?;
                visit(page);
                number += 1;
                left -= 1;
            }
        }
        Ok(())
    }

    /// Checks the tag of every page, which takes no database key.
    ///
    /// # Errors
    /// See [`PageReader::read`].
    pub(crate) fn scrub(&self) -> Result<(), RunError> {
        let name = self.name;
        let mut page: Page = [0; PAGE_BYTES];
        for number in 1..self.pages_count {
            self.file
                .read_exact_at(&mut page, number * PAGE_BYTES_U64)
                .map_err(|source| RunError::Io { name, source })?;
            if !self.key.verifies(&page, number) {
                return Err(self.damaged(Damage::Page { page: number }));
            }
        }
        Ok(())
    }

    /// The filter of so many lines that begins with a page.
    ///
    /// # Errors
    /// See [`PageReader::read`].
    ///
    /// # Panics
    /// If there are no lines.
    pub(crate) fn filter(&self, first_page: u64, lines_count: u64) -> Result<Filter, RunError> {
        let pages_count = self.count(Filter::pages_count(lines_count))?;
        let lines_count = self.count(lines_count)?;
        let mut filter = Filter::with_lines(lines_count, self.key.seed());
        self.read(first_page, pages_count, |page| filter.extend_from_page(page, lines_count))?;
        Ok(filter)
    }

    /// A number of the footer that must fit memory.
    ///
    /// # Errors
    /// [`Damage::Footer`] if it does not.
    pub(crate) fn count(&self, number: u64) -> Result<usize, RunError> {
        usize::try_from(number).map_err(|_| self.damaged(Damage::Footer))
    }

    /// An error that names this file.
    pub(crate) fn damaged(&self, damage: Damage) -> RunError {
        RunError::Damaged { name: self.name, damage }
    }
}
