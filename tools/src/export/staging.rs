//! Where an export is written: beside its place, under a name that says that it is not whole, until it is.

use crate::exit::Failure;
use crate::store::name_if_free;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// A file, or a directory of files, on its way.
#[derive(Debug)]
pub(crate) struct Staging {
    output: PathBuf,
    partial: PathBuf,
}

/// One file of it.
pub(crate) type Output = BufWriter<File>;

/// Where an export lies until it is whole, if both places are free.
///
/// # Errors
/// If there is something already.
pub(crate) fn free(output: &Path) -> Result<PathBuf, Failure> {
    // Without a slash at its end.
    let mut partial = output.components().collect::<PathBuf>().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    for path in [output, &partial] {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
    }
    Ok(partial)
}

impl Staging {
    /// Makes an export that is one file.
    ///
    /// # Errors
    /// If there is something already, or it can't be made.
    pub(crate) fn file(output: &Path) -> Result<(Staging, Output), Failure> {
        let partial = free(output)?;
        let file = File::create_new(&partial).map_err(|error| failed(&partial, &error))?;
        Ok((Staging { output: output.to_owned(), partial }, BufWriter::new(file)))
    }

    /// Makes an export that is a directory of files.
    ///
    /// # Errors
    /// As [`Staging::file`].
    pub(crate) fn directory(output: &Path) -> Result<Staging, Failure> {
        let partial = free(output)?;
        fs::create_dir(&partial).map_err(|error| failed(&partial, &error))?;
        Ok(Staging { output: output.to_owned(), partial })
    }

    /// Makes a file of the directory.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn create(&self, name: &str) -> Result<Output, Failure> {
        let file = File::create_new(self.partial.join(name));
        file.map(BufWriter::new).map_err(|error| self.failed(&error))
    }

    /// Ends a file: it is durable.
    pub(crate) fn finish_file(&self, file: Output) -> Result<(), Failure> {
        let finished = file.into_inner().map_err(io::IntoInnerError::into_error);
        finished.and_then(|file| file.sync_all()).map_err(|error| self.failed(&error))
    }

    /// Puts all in its place.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let parent = match self.output.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(Failure::usage("an export is a file or a directory of its own")),
        };
        if self.partial.is_dir() {
            sync(&self.partial).map_err(|error| self.failed(&error))?;
        }
        let named = name_if_free(&self.partial, &self.output);
        if !named.map_err(|error| self.failed(&error))? {
            return Err(taken(&self.output));
        }
        sync(parent).map_err(|error| self.failed(&error))
    }

    /// What is said when it can't be written.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        failed(&self.partial, error)
    }
}

fn taken(path: &Path) -> Failure {
    let path = path.display();
    Failure::usage(format!("{path} is there already: remove it, or name another"))
}

/// Makes the names in a directory durable.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format!("writing {}: {error}", path.display()))
}

impl Drop for Staging {
    /// What was made here and is not finished is of no use.
    fn drop(&mut self) {
        if self.partial.is_dir() {
            let _ = fs::remove_dir_all(&self.partial);
        } else {
            let _ = fs::remove_file(&self.partial);
        }
    }
}
