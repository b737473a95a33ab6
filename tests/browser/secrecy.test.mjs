// Prevents a log-in that tells strangers who is a customer: whatever is wrong, the e-mail address, the
// password or the code, each page on the way must look the same. A customer with everything right must still
// come in.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { FILE_LIMIT, codeOf, currentStep, openBank } from './bank.mjs';
import { addressOf, enterCode, enterPassword, logIn, unusedCode } from './steps.mjs';

test('a failed log-in does not tell what was wrong', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ann, ben, cleo] = bank.customers;

  const attempts = {
    // The code of this attempt is right, so that nothing but the password can be what keeps it out.
    'a wrong password': await attempt({ ...ann, password: `${ann.password}x` }, unusedCode(ann)),
    'an unknown e-mail address': await attempt({ ...ann, email: 'nobody@example.com' }, '123456'),
    'a wrong code': await attempt(ben, wrongCode(ben)),
  };
  const [[first, expected], ...others] = Object.entries(attempts);

  await t.test('each attempt ends in a message', () => {
    for (const [what, { end }] of Object.entries(attempts)) {
      assert.equal(end.address, '/login?problem=1', `address after ${what}`);
      assert.equal(end.problems.length, 1, `number of p#problem[role=alert] after ${what}`);
      assert.notEqual(end.problems[0], '', `message after ${what}`);
    }
  });
  for (const [what, found] of others) {
    await t.test(`${what} looks like ${first}`, () => {
      assert.deepEqual(found, expected, `what ${what} shows (actual) and what ${first} shows (expected)`);
    });
  }
  // Without these two a log-in that lets nobody in would pass.
  await t.test('the right password and code lead in', async () => {
    await logIn(await browser.openPage(), bank, cleo);
  });
  await t.test('the right password leads in after a wrong one', async () => {
    await logIn(await browser.openPage(), bank, ann);
  });

  async function attempt(credentials, code) {
    const page = await browser.openPage();
    const posts = [];
    page.on('response', (response) => {
      if (response.request().method() !== 'POST') return;
      posts.push([response.status(), new URL(response.url()).pathname, response.headers().location]);
    });
    await page.goto(`${bank.url}/login`);
    const start = await look(page);
    await enterPassword(page, bank, credentials);
    const middle = await look(page);
    await enterCode(page, code);
    return { start, middle, end: await look(page), posts };
  }
});

// The cookies are part of it: a name that only customers get would tell as much as a text.
async function look(page) {
  const cookies = await page.context().cookies();
  cookies.sort((one, other) => one.name.localeCompare(other.name));
  return {
    address: addressOf(page),
    title: await page.title(),
    text: await page.evaluate(() => document.body.innerText),
    problems: await page.locator('p#problem[role=alert]').allInnerTexts(),
    cookies: cookies.map(({ name, value, path, secure, httpOnly, sameSite }) =>
      ({ name, length: value.length, path, secure, httpOnly, sameSite })),
  };
}

function wrongCode({ totp_secret: secret }) {
  const near = [-3, -2, -1, 0, 1, 2, 3].map((distance) => codeOf(secret, currentStep() + distance));
  let code;
  do code = String(randomInt(1_000_000)).padStart(6, '0');
  while (near.includes(code));
  return code;
}
