//! Progress on a terminal: bars on standard error, nothing where nobody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that counts up to `total`.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    // Standard error that is no terminal draws nothing by itself.
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{msg:14} {wide_bar} {human_pos}/{human_len} {eta}")
        .expect("the template is fixed");
    bar.set_style(style);
    bar.set_message(what);
    bar
}

/// A bar over bytes; without a known end, their number.
pub(crate) fn bytes(total: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
    let template = match total {
        Some(_) => "{msg:14} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{msg:14} {spinner} {bytes} {bytes_per_sec}",
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the templates are fixed"));
    bar.set_message(what);
    bar
}

/// A sign of life for work that says nothing of itself.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{msg:14} {spinner} {elapsed}");
    bar.set_style(style.expect("the template is fixed"));
    bar.set_message(what);
    bar
}
