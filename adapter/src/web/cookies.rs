//! Cookies: each is for this host alone, over TLS alone, and no script sees it.

use axum::http::{HeaderMap, HeaderValue, header};

/// Carries a login.
pub(super) const LOGIN: &str = "__Host-login";
/// Carries an attempt to log in.
pub(super) const ATTEMPT: &str = "__Host-attempt";
/// Carries a registration whose mailbox is confirmed.
pub(super) const ENROLMENT: &str = "__Host-enrolment";
/// Carries a recovery of the second factor, once the password was right.
pub(super) const FACTOR_RECOVERY: &str = "__Host-factor-recovery";
/// Tells browsers apart that have no login: their forms belong to it.
pub(super) const VISITOR: &str = "__Host-visitor";

/// Carries what a browser is known again by, by customers who have logged in with it.
pub(super) const DEVICE: &str = "__Host-device";
/// As long as browsers keep a cookie.
const LONG_S: u64 = 400 * 24 * 3_600;

/// The value of a cookie; of several of one name none is believed.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Sets a cookie until the browser is closed.
pub(super) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    append(headers, &format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict"));
}

/// Sets a cookie that stays when the browser is closed.
pub(super) fn set_for_long(headers: &mut HeaderMap, name: &str, value: &str) {
    let rules = format!("Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={LONG_S}");
    append(headers, &format!("{name}={value}; {rules}"));
}

/// Takes a cookie back.
pub(super) fn remove(headers: &mut HeaderMap, name: &str) {
    append(headers, &format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
}

fn append(headers: &mut HeaderMap, cookie: &str) {
    let cookie = HeaderValue::from_str(cookie).expect("names and values are plain ASCII");
    headers.append(header::SET_COOKIE, cookie);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a cookie of a neighbouring host that takes the place of the login.
    #[test]
    fn a_cookie_is_read_by_its_whole_name_and_once() {
        let headers = |values: &[&'static str]| {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            values.map(|value| (header::COOKIE, value)).collect::<HeaderMap>()
        };
        let of = |values: &[&'static str]| value(&headers(values), LOGIN).map(String::from);
        assert_eq!(of(&["a=b; __Host-login=x; c=d"]), Some(String::from("x")));
        assert_eq!(of(&["a=b", "__Host-login=x"]), Some(String::from("x")));
        assert_eq!(of(&["__Host-login=x; __Host-login=y"]), None);
        assert_eq!(of(&["__Host-login=x", "__Host-login=y"]), None);
        assert_eq!(of(&["x__Host-login=x; login=y; __host-login=z; __Host-login"]), None);
    }
}
