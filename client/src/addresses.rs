//! Where the servers of one ledger listen: at one address, or at several, of which one decides.

use std::fmt;

/// Where servers of one ledger listen, in the order in which they were named; at least one address.
#[derive(Clone, Debug)]
pub(crate) struct Addresses(Vec<String>);

impl Addresses {
    /// Those of a list with commas. One that is named twice is one; where nothing is named, that is what
    /// can't be connected to.
    pub(crate) fn of(list: &str) -> Addresses {
        let mut addresses = Vec::<String>::new();
        for address in list.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            if !addresses.iter().any(|named| named == address) {
                addresses.push(String::from(address));
            }
        }
        if addresses.is_empty() {
            addresses.push(String::from(list));
        }
        Addresses(addresses)
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.0
    }

    /// Whether there is another server to go to.
    pub(crate) fn are_several(&self) -> bool {
        1 < self.0.len()
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;

    #[test]
    fn a_list_names_each_server_once() {
        let check = |list: &str, expect: &[&str]| assert_eq!(Addresses::of(list).all(), expect);
        check("a:3000", &["a:3000"]);
        check("a:3000,b:3000,[::1]:3000", &["a:3000", "b:3000", "[::1]:3000"]);
        check(" a:3000 , b:3000,", &["a:3000", "b:3000"]);
        check("a:3000,a:3000", &["a:3000"]);
        check("", &[""]);
        check(",", &[","]);
    }
}
