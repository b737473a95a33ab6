"""Forms of the bank, filled in as a browser without scripts would."""

import re

import requests


def registers(server, email):
    """Asks to become a customer, as a browser would."""
    browser, url = requests.Session(), server.said["browser_url"]
    browser.verify, browser.trust_env = server.authority, False
    page = browser.get(f"{url}/register").text
    fields = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page)[1], "email": email}
    fields |= {"first_name": "Emmy", "last_name": "Else", "password": "five words are quite enough"}
    sent = browser.post(f"{url}/register", fields, allow_redirects=False)
    assert sent.status_code == 303, sent.text
    return browser
