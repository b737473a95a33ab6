// Prevents a bank that nobody can join: a form that leads nowhere, a letter whose link does not open, a secret that
// an authenticator app cannot use, with JavaScript or without it; and a link that a mailbox has spent by looking at it.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { addressOf, logIn, press, unusedCode } from './steps.mjs';

test('somebody becomes a customer', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  await t.test('with JavaScript', () => join(bank, browser, { javaScriptEnabled: true }));
  await t.test('without JavaScript', () => join(bank, browser, { javaScriptEnabled: false }));
  await t.test('on a phone', () => join(bank, browser, { viewport: { width: 320, height: 640 }, isMobile: true }));
  await t.test('a customer\'s address gets the same page, and its owner a letter', async () => {
    const [ann] = bank.customers;
    const page = await browser.openPage();
    await fill(page, bank, ann.email);
    assert.equal(addressOf(page), '/register/sent', 'address after a customer\'s address was typed');
    const mail = await bank.mail(ann.email);
    assert.match(mail, /You are a customer already/);
    assert.doesNotMatch(mail, /token=/);
  });
});

async function join(bank, browser, options) {
  const email = `zoe${randomInt(1e9)}@example.org`;
  const page = await browser.openPage(options);
  await page.goto(`${bank.url}/login`);
  await page.click('#to-register');
  assert.equal(addressOf(page), '/register', 'where the log-in leads who is no customer');
  const password = await fill(page, bank, email);
  assert.equal(addressOf(page), '/register/sent', 'address after the form was sent');
  const link = linkIn(await bank.mail(email), bank);
  // A mailbox looks at the link first, more than once.
  const scanner = await browser.openPage();
  await scanner.goto(link);
  await scanner.goto(link);

  await page.goto(link);
  await press(page, '#continue');
  assert.equal(addressOf(page), '/register/enrol', 'address after the link was used');
  const picture = await page.locator('svg#qr').boundingBox();
  assert.ok(picture?.width >= 150, `the picture for the app is ${picture?.width} wide`);
  const secret = (await page.locator('#secret').innerText()).replaceAll(/\s/g, '');
  assert.match(secret, /^[A-Z2-7]{32}$/, 'the secret for the app');
  const customer = { email, password, totp_secret: secret, accounts: [] };
  await page.fill('#code', '000000');
  await press(page, '#continue', 422);
  assert.equal(await page.locator('p#problem[role=alert]').count(), 1, 'messages after a wrong code');
  await page.fill('#code', unusedCode(customer));
  await press(page, '#continue');
  assert.equal(await page.locator('#codes code').count(), 10, 'recovery codes of a new customer');
  await page.click('#continue');
  assert.equal(addressOf(page), '/login?notice=registered', 'where it goes on');
  assert.equal(await page.locator('p#notice[role=status]').count(), 1, 'messages to a new customer');

  await logIn(page, bank, customer);
  assert.equal(await page.locator('#accounts li').count(), 0, 'accounts of a new customer');
  await page.goto(link);
  await press(page, '#continue', 410);
}

async function fill(page, bank, email) {
  const password = `three words and ${randomInt(1e9)}`;
  await page.goto(`${bank.url}/register`);
  await page.fill('#first-name', 'Zoë');
  await page.fill('#last-name', 'Quill');
  await page.fill('#email', email);
  await page.fill('#password', password);
  await press(page, '#continue');
  return password;
}

function linkIn(mail, bank) {
  const [link] = /https:\S+\?token=\S+/.exec(mail) ?? [];
  assert.ok(link?.startsWith(`${bank.url}/`), `a link to the bank in ${mail}`);
  return link;
}
